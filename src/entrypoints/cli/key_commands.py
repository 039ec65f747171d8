"""The commands `pluggably keys …` with their options."""

import asyncio
import os
from typing import Annotated

from cyclopts import App, Parameter

from ...domain.access import Scope
from .app import AsJson, Config, Url

keys = App(name="keys", help="Let others use the service, by API keys.")

_ALL = [scope.value for scope in Scope]
_USER = ["generate", "sessions", "artifacts", "models:read"]
Name = Annotated[str, Parameter(help="What people call it.")]
KeyId = Annotated[str, Parameter(help="Its id, as `pluggably keys list` shows it.")]
Scopes = Annotated[
    list[str] | None,
    Parameter(
        name="--scope",
        negative=(),
        help=f"What it is for, of {', '.join(_ALL)}; may be given several times. Without any: {', '.join(_USER)}.",
    ),
]
Admin = Annotated[bool, Parameter(negative=(), help="It is for everything, other keys too.")]
Models = Annotated[
    list[str] | None,
    Parameter(
        name="--model", negative=(), help="Only for this model, or those of this pattern; may be given several times."
    ),
]
Owner = Annotated[str | None, Parameter(help="Whose it is: keys of one owner share sessions and files.")]
Expires = Annotated[str | None, Parameter(help="It ends after that, such as 90d or 12h.")]
PerMinute = Annotated[int | None, Parameter(help="Requests a minute.")]
Tokens = Annotated[int | None, Parameter(help="Tokens a minute.")]
Concurrent = Annotated[int | None, Parameter(help="Requests at work at once.")]
Overlap = Annotated[str, Parameter(help="How long the old secret is still good, such as 1h.")]
All = Annotated[bool, Parameter(name="--all", negative=(), help="Those too that are good no more.")]
Where = Annotated[
    str | None,
    Parameter(help="Where the service runs. Without it, and without a key of yours, the database here is opened."),
]


@keys.command
def create(
    name: Name,
    /,
    *,
    scope: Scopes = None,
    admin: Admin = False,
    model: Models = None,
    owner: Owner = None,
    expires_in: Expires = None,
    requests_per_minute: PerMinute = None,
    tokens_per_minute: Tokens = None,
    concurrent: Concurrent = None,
    json: AsJson = False,
    url: Where = None,
    config: Config = None,
) -> None:
    """Make a key, and show its secret this once. Make the first one before the service asks for keys."""
    from .client import client_at, client_key
    from .keys import create_key, end_in, make_key

    wanted = {
        "name": name,
        "scopes": _ALL if admin else scope or _USER,
        "owner": owner,
        "models": model,
        "limits": {
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
            "concurrent": concurrent,
        },
        "expires_at": end_in(expires_in),
    }
    if url is None and client_key() is None:
        from ..settings import load_settings

        asyncio.run(make_key(load_settings(config, os.environ), wanted, as_json=json))
        return
    with client_at(url, config) as client:
        create_key(client, wanted, as_json=json)


@keys.default
@keys.command(name="list")
def list_(*, every: All = False, json: AsJson = False, url: Url = None) -> None:
    """List the keys of the running service."""
    from .client import client_at
    from .keys import list_keys

    with client_at(url) as client:
        list_keys(client, every=every, as_json=json)


@keys.command
def revoke(key: KeyId, /, *, url: Url = None) -> None:
    """Let nobody in any more who has a key."""
    from .client import client_at
    from .keys import revoke_key

    with client_at(url) as client:
        revoke_key(client, key)


@keys.command
def rotate(key: KeyId, /, *, overlap: Overlap = "0s", json: AsJson = False, url: Url = None) -> None:
    """Give a key a new secret, and show it this once."""
    from .client import client_at
    from .keys import rotate_key

    with client_at(url) as client:
        rotate_key(client, key, overlap, as_json=json)
