"""Every command with its options; the work is in the command's own file."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from ... import __version__
from ...domain.errors import GatewayError, InsufficientScope, InvalidCredentials

app = App(
    name="pluggably",
    help="One HTTP API for text, image and 3D generation over any backend.",
    version=__version__,
    version_flags=["--version"],
)
app.command("pluggably.entrypoints.cli.audit:audit", name="audit")
_MODELS = "pluggably.entrypoints.cli.model_commands"
app.command(f"{_MODELS}:models", name="models", help="Look at the models of the running service, or change them.")
app.command(f"{_MODELS}:storage", name="storage", help="Look at what the running service stores, or clean up.")
app.command("pluggably.entrypoints.cli.key_commands:keys", name="keys", help="Let others use the service, by API keys.")
sessions = App(name="sessions", help="Look at the sessions of the running service, hold them, and let old ones go.")
app.command(sessions)

Config = Annotated[Path | None, Parameter(help="Settings file; pluggably.toml in this folder, if there is one.")]
Url = Annotated[str | None, Parameter(help="Where the service runs; as the settings say.")]
Host = Annotated[str | None, Parameter(help="Address to listen on.")]
Port = Annotated[int | None, Parameter(help="TCP port; 0 takes a free one.", validator=Number(gte=0, lte=65_535))]
Workers = Annotated[
    int | None,
    Parameter(help="How many processes serve; more than one need PostgreSQL.", validator=Number(gte=1, lte=256)),
]
ModelId = Annotated[str | None, Parameter(help="The model to talk to; the service's default.")]
SessionId = Annotated[str | None, Parameter(help="Go on with this session, instead of a new one.")]
Source = Annotated[str, Parameter(help="Where it is: hf:org/name@revision, https://…, s3://…, file:///…, package:….")]
Include = Annotated[
    tuple[str, ...], Parameter(help="A pattern of the files wanted, such as '*Q4_K_M*'; may be given several times.")
]
Into = Annotated[Path | None, Parameter(help="The folder it goes to; the first configured model folder.")]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON, for programs.")]
Reason = Annotated[str, Parameter(help="Why it has to be kept; shown to whoever tries to erase it.")]
DryRun = Annotated[bool, Parameter(negative=(), help="Only say what is due.")]
Target = Annotated[Path, Parameter(help="The file to make, or a folder for one that is named by the time.")]
Backup = Annotated[Path, Parameter(help="A file that `pluggably backup` has made.")]
NOT_ALLOWED = 77
"""The exit code where credentials are missing or not enough (EX_NOPERM of sysexits.h)."""


@app.command
def serve(*, config: Config = None, host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Run the service."""
    from ..settings import load_settings, with_address
    from .serve import serve

    serve(with_address(load_settings(config, os.environ), host, port, workers))


@app.command
def chat(*, model: ModelId = None, session: SessionId = None, url: Url = None) -> None:
    """Talk to a model of the running service, in a session."""
    from .chat import chat
    from .client import client_at

    with client_at(url) as client:
        chat(client, model=model, session_id=session)


@app.command
def pull(
    source: Source, /, *, include: Include = (), into: Into = None, config: Config = None, url: Url = None
) -> None:
    """Fetch a model: by the running service, or without it if there is none or a folder is named."""
    from ...application.downloads import DownloadRequest
    from ..settings import load_settings, own_url
    from .client import Client, is_service
    from .pull import pull, pull_by_service

    settings, request = load_settings(config, os.environ), DownloadRequest(source=source, include=include)
    url = url or own_url(settings)
    if into is None and is_service(url):
        with Client(url) as client:
            pull_by_service(client, request)
    else:
        asyncio.run(pull(settings, request, into))


@sessions.command(name="list")
def list_(*, limit: int = 20, json: AsJson = False, url: Url = None) -> None:
    """List sessions, last active first."""
    from .client import client_at
    from .sessions import list_sessions

    with client_at(url) as client:
        list_sessions(client, limit=limit, as_json=json)


@sessions.command
def show(session: str, /, *, json: AsJson = False, url: Url = None) -> None:
    """Show a session and what was said in it."""
    from .client import client_at
    from .sessions import show_session

    with client_at(url) as client:
        show_session(client, session, as_json=json)


@sessions.command
def events(session: str, /, *, json: AsJson = False, url: Url = None) -> None:
    """Show what happened in a session, event by event."""
    from .client import client_at
    from .sessions import show_events

    with client_at(url) as client:
        show_events(client, session, as_json=json)


@sessions.command
def hold(session: str, /, *, reason: Reason, url: Url = None) -> None:
    """Let nobody erase a session, until it is released."""
    from .client import client_at
    from .retention import hold

    with client_at(url) as client:
        hold(client, session, reason)


@sessions.command
def release(session: str, /, *, url: Url = None) -> None:
    """Let a session be erased again."""
    from .client import client_at
    from .retention import release

    with client_at(url) as client:
        release(client, session)


@sessions.command
def retention(*, dry_run: DryRun = False, limit: int = 1_000, json: AsJson = False, url: Url = None) -> None:
    """Let go of what was kept long enough: erase old sessions, delete old state tokens."""
    from .client import client_at
    from .retention import retain

    with client_at(url) as client:
        retain(client, dry_run=dry_run, limit=limit, as_json=json)


@app.command
def migrate(*, config: Config = None) -> None:
    """Make the tables of the session database, or bring them up to date."""
    from ..settings import load_settings
    from .migrate import migrate

    migrate(load_settings(config, os.environ))


@app.command
def backup(target: Target, /, *, config: Config = None) -> None:
    """Copy everything that is stored but models into one file, while the service runs or not."""
    from ..settings import load_settings
    from .backup import backup

    asyncio.run(backup(load_settings(config, os.environ), target))


@app.command
def restore(source: Backup, /, *, config: Config = None) -> None:
    """Put a backup back where nothing is stored and no service runs, and verify all of it."""
    from ..settings import load_settings
    from .backup import restore

    asyncio.run(restore(load_settings(config, os.environ), source))


@app.command
def doctor(*, config: Config = None) -> None:
    """Say what is there and what is missing."""
    from .doctor import doctor

    if not doctor(config):
        sys.exit(1)


def run() -> None:
    """Run the command line; what a user can cause ends as one sentence on stderr."""
    try:
        app()
    except (InvalidCredentials, InsufficientScope) as error:
        print(f"pluggably: {error}", file=sys.stderr)
        sys.exit(NOT_ALLOWED)
    except GatewayError as error:
        sys.exit(f"pluggably: {error}")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
