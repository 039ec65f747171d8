"""`pluggably keys`: who may use the running service; and the first key, in the database itself."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from rich.console import Console
from rich.table import Table

from ...domain.access import LOCAL_OPERATOR, Scope
from ...domain.errors import GatewayError, InvalidCredentials, InvalidRequest
from ..settings import CLIENT_KEY, Settings, own_url
from .client import Client, is_service
from .models import ago
from .plain import shown

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LIMITS = (
    ("requests_per_minute", "requests a minute"),
    ("tokens_per_minute", "tokens a minute"),
    ("concurrent", "at once"),
)
_IN_USE = (
    "The running service has the database, and wants an API key. Put one that has the scope 'admin' into "
    f"{CLIENT_KEY}; or stop the service, make the first key, and start it again."
)


def create_key(client: Client, wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Have the service make a key, and print it with its secret."""
    _print_new(client.post("/keys", wanted), as_json=as_json)


async def make_key(settings: Settings, wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Make a key in the database itself, or have the service make it that holds the database.

    Raises:
        GatewayError: neither works, as it says.
    """
    from ..composition.commands import open_keys
    from ..http.resources.keys import KeyWanted, shown_object
    from ..structuring import structure

    new = structure(wanted, KeyWanted).new_key()
    try:
        async with open_keys(settings) as keys:
            made = shown_object(await keys.create(new, LOCAL_OPERATOR))
    except InvalidRequest:
        raise
    except GatewayError:
        url = own_url(settings)
        if not is_service(url):
            raise
        try:
            with Client(url) as client:
                create_key(client, wanted, as_json=as_json)
        except InvalidCredentials as error:
            raise InvalidCredentials(detail=_IN_USE) from error
        return
    _print_new(msgspec.to_builtins(made), as_json=as_json)
    if "api_key" not in settings.access.methods and not as_json:
        print('Nobody is asked for a key yet. Put this into the settings:\n\n  [access]\n  methods = ["api_key"]\n')


def list_keys(client: Client, *, every: bool, as_json: bool) -> None:
    """Print the keys that are good, or all."""
    keys = client.get("/keys")["data"]
    if as_json:
        print(json.dumps(keys, indent=2))
        return
    wanted = [key for key in keys if every or _is_good(key)]
    out = Console(highlight=False)
    if not wanted:
        out.print("There are no keys. Make one with: pluggably keys create NAME")
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 1, 0))
    for column in ("key", "for", "limits", "used"):
        table.add_column(column, no_wrap=column in ("key", "used"))
    for key in wanted:
        name = shown(key["name"]) if _is_good(key) else f"[strike dim]{shown(key['name'])}[/]"
        who = "" if key["owner"] == key["id"] else f"\n[dim]of[/] {shown(key['owner'])}"
        what = f"{_scopes(key)}\n[dim]models[/] {_models(key)}"
        limits = "\n".join([*_limits(key), *([_end(key)] if key["revoked_at"] or key["expires_at"] else [])])
        table.add_row(f"[bold]{name}[/]\n[dim]{key['id']}[/]{who}", what, limits, ago(key["last_used_at"]) or "never")
    out.print(table)


def revoke_key(client: Client, key_id: str) -> None:
    """Let nobody in any more who has the key."""
    key = client.delete(f"/keys/{quote(key_id, safe='')}")
    _say(f"[green]✓[/] {shown(key['name'])} ({key['id']}) is revoked: within a second it opens nothing any more.")


def rotate_key(client: Client, key_id: str, overlap: str, *, as_json: bool) -> None:
    """Give a key a new secret, and print it."""
    overlap_s = int(duration(overlap).total_seconds())
    _print_new(client.post(f"/keys/{quote(key_id, safe='')}/rotate", {"overlap_s": overlap_s}), as_json=as_json)


def duration(text: str) -> timedelta:
    """A time such as `90d`, `12h`, `30m` or `45s`.

    Raises:
        GatewayError: it is none.
    """
    if not (found := re.fullmatch(r"(\d{1,6})([smhd])", text)):
        raise GatewayError(detail=f"{text!r} is no length of time. Give one like 90d, 12h, 30m or 45s.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def end_in(text: str | None) -> str | None:
    """The time after such a time from now."""
    return (datetime.now(UTC) + duration(text)).isoformat() if text else None


def _print_new(key: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(key, indent=2))
        return
    _say(f"[green]✓[/] [bold]{shown(key['name'])}[/]  [dim]{key['id']}[/]\n")
    _say(f"  [bold cyan]{key['secret']}[/]\n")
    _say("[yellow]It is shown this once, and cannot be shown again: put it where you keep secrets.[/]\n")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(key):
        table.add_row(name, value)
    Console(highlight=False).print(table)
    _say(f"\nCommands here show it after: [bold]export {CLIENT_KEY}=…[/]")


def _facts(key: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "for", _scopes(key)
    yield "models", _models(key)
    if key["owner"] != key["id"]:
        yield "of", shown(key["owner"])
    yield "limits", ", ".join(_limits(key)) or "none"
    yield "good", _end(key)
    if old := [it for it in key["secrets"][1:] if it["until"]]:
        yield "old secret", f"good until {_moment(old[0]['until'])}"


def _scopes(key: Mapping[str, Any]) -> str:
    return "everything" if set(key["scopes"]) >= set(Scope) else ", ".join(key["scopes"]) or "nothing"


def _models(key: Mapping[str, Any]) -> str:
    return "all" if key["models"] is None else shown(", ".join(key["models"])) or "none"


def _limits(key: Mapping[str, Any]) -> list[str]:
    return [f"{key['limits'][name]:,} {what}" for name, what in _LIMITS if key["limits"][name] is not None]


def _end(key: Mapping[str, Any]) -> str:
    if key["revoked_at"]:
        return f"[red]revoked {_moment(key['revoked_at'])}[/]"
    if not key["expires_at"]:
        return "for ever"
    return f"until {_moment(key['expires_at'])}" if _is_good(key) else f"[red]ended {_moment(key['expires_at'])}[/]"


def _is_good(key: Mapping[str, Any]) -> bool:
    ends = key["expires_at"]
    return not key["revoked_at"] and not (ends and datetime.fromisoformat(ends) <= datetime.now(UTC))


def _moment(at: str) -> str:
    return at[:16].replace("T", " ")


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(text)
