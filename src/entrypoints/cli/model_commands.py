"""The commands `pluggably models …` and `pluggably storage …` with their options."""

from typing import Annotated

from cyclopts import App, Parameter

from .app import AsJson, DryRun, Url

models = App(name="models", help="Look at the models of the running service, keep them, load them, delete them.")
storage = App(name="storage", help="Look at how much the running service stores, and clean up.")

Model = Annotated[str, Parameter(help="Its id, or an alias.")]
Status = Annotated[str | None, Parameter(help="Such as available, loaded, incomplete.")]
Find = Annotated[str | None, Parameter(help="Occurs in the id or the name.")]
KeepFiles = Annotated[bool, Parameter(negative=(), help="Only forget what was said of it.")]
Yes = Annotated[bool, Parameter(negative=(), help="Do not ask.")]


@models.default
@models.command(name="list")
def list_(
    *,
    modality: str | None = None,
    provider: str | None = None,
    status: Status = None,
    find: Find = None,
    json: AsJson = False,
    url: Url = None,
) -> None:
    """List the models of the running service."""
    from .client import client_at
    from .models import list_models

    wanted = {"modality": modality, "provider": provider, "status": status, "q": find}
    with client_at(url) as client:
        list_models(client, wanted, as_json=json)


@models.command
def show(model: Model, /, *, json: AsJson = False, url: Url = None) -> None:
    """Show all that is known of a model."""
    from .client import client_at
    from .models import show_model

    with client_at(url) as client:
        show_model(client, model, as_json=json)


@models.command
def rm(model: Model, /, *, keep_files: KeepFiles = False, yes: Yes = False, url: Url = None) -> None:
    """Delete a model with its files."""
    from .client import client_at
    from .models import remove_model

    with client_at(url) as client:
        remove_model(client, model, keep_files=keep_files, yes=yes)


@models.command
def pin(model: Model, /, *, url: Url = None) -> None:
    """Keep a model: on the disk, and in memory once it is loaded."""
    from .client import client_at
    from .models import pin_model

    with client_at(url) as client:
        pin_model(client, model, pinned=True)


@models.command
def unpin(model: Model, /, *, url: Url = None) -> None:
    """Keep a model no longer than any other."""
    from .client import client_at
    from .models import pin_model

    with client_at(url) as client:
        pin_model(client, model, pinned=False)


@models.command
def load(model: Model, /, *, url: Url = None) -> None:
    """Load a model before the first request does."""
    from .client import client_at
    from .models import load_model

    with client_at(url) as client:
        load_model(client, model, loaded=True)


@models.command
def unload(model: Model, /, *, url: Url = None) -> None:
    """Take a model out of memory."""
    from .client import client_at
    from .models import load_model

    with client_at(url) as client:
        load_model(client, model, loaded=False)


@storage.default
def usage(*, json: AsJson = False, url: Url = None) -> None:
    """Show how much the running service stores."""
    from .client import client_at
    from .storage import show_storage

    with client_at(url) as client:
        show_storage(client, as_json=json)


@storage.command
def cleanup(*, dry_run: DryRun = False, json: AsJson = False, url: Url = None) -> None:
    """Delete what the storage policy of the service does not allow."""
    from .client import client_at
    from .storage import clean_up

    with client_at(url) as client:
        clean_up(client, dry_run=dry_run, as_json=json)
