"""`pluggably audit`: take exports of sessions away, check them where no gateway is, and see what was."""

import asyncio
import json as json_lines
import os
import sys
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter

from ...application.audit import Examination
from ...domain.errors import InvalidRequest
from .app import AsJson, Config, Url
from .plain import plain

audit = App(name="audit", help="Export sessions, check exports and the log of all events, and replay what was.")

Format = Annotated[str, Parameter(help="`jsonl`, which can be verified, or `cloudevents`.")]
All = Annotated[bool, Parameter(name="--all", negative=(), help="Export all sessions, of all owners.")]
Status = Annotated[str | None, Parameter(help="With --all: only `open`, `closed`, `archived` or `erased` ones.")]
Moment = Annotated[str | None, Parameter(help="With --all: only those, by a time such as 2026-01-31T12:00:00Z.")]
Out = Annotated[Path | None, Parameter(help="The file to write; standard output.")]
Key = Annotated[str | None, Parameter(help="The public key that must have signed, as `pluggably audit key` prints it.")]
Signed = Annotated[str, Parameter(help="The public key that must have signed the export.")]
Copy = Annotated[Path | None, Parameter(help="Your own copy of the checkpoints, to compare the log with.")]
Newest = Annotated[int | None, Parameter(help="Only so many of the newest.")]
To = Annotated[int | None, Parameter(help="The state after that many events; after all of them.")]
After = Annotated[int, Parameter(help="Only the reads that follow this number.")]
From = Annotated[Path | None, Parameter(name="--from", help="An export to replay from, instead of the service.")]


@audit.command
def export(
    *sessions: str,
    all_: All = False,
    status: Status = None,
    active_after: Moment = None,
    closed_before: Moment = None,
    format: Format = "jsonl",  # noqa: A002 - the option's name
    out: Out = None,
    url: Url = None,
) -> None:
    """Export sessions of the running service: those that are named, or all."""
    from .client import client_at
    from .whole_file import write_whole

    filters = {"status": status, "active_after": active_after, "closed_before": closed_before}
    if bool(sessions) is all_ or (sessions and any(filters.values())):
        raise InvalidRequest(detail="Name the sessions to export, or give --all, which can be filtered.")
    path, query = _exported(sessions)
    with client_at(url) as client:
        chunks = client.chunks(path, query | filters | {"format": format})
        if out:
            write_whole(out, chunks)
        else:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)


@audit.command
def key(*, json: AsJson = False, url: Url = None) -> None:
    """Print the public key that the service signs exports with."""
    from .client import client_at

    with client_at(url) as client:
        found = client.get("/audit/key")
    print(json_lines.dumps(found, indent=2) if json else f"{found['public_key']}  {found['id']}")


@audit.command
def reads(*, after: After = 0, json: AsJson = False, url: Url = None) -> None:
    """Show who read what for an audit."""
    from .client import client_at
    from .reads import show_reads

    with client_at(url) as client:
        show_reads(client, after=after, as_json=json)


@audit.command
def verify(
    file: Path | None = None, /, *, key: Key = None, checkpoints: Copy = None, json: AsJson = False, url: Url = None
) -> None:
    """Check an export, on its own, or without one the whole log of the running service.

    Without --key: by the key that the export or the service itself names.
    """
    trusted = None if key is None else _public_key(key)
    if file is None:
        from .client import client_at
        from .log import verify_log

        with client_at(url) as client:
            verify_log(client, trusted, checkpoints, as_json=json)
    elif checkpoints or json:
        raise InvalidRequest(detail="--checkpoints and --json are for the log of the service: leave the file away.")
    else:
        _verify_export(file, trusted)


@audit.command(name="checkpoints")
def checkpoints_(*, limit: Newest = None, json: AsJson = False, url: Url = None) -> None:
    """Print the checkpoints of the running service, the oldest first: what to keep, and to compare with later on."""
    from .client import client_at
    from .log import print_checkpoints

    with client_at(url) as client:
        print_checkpoints(client, limit, as_json=json)


def _verify_export(file: Path, trusted: bytes | None) -> None:
    from ..composition.audit import open_export_reader

    try:
        with file.open("rb") as lines:
            found = open_export_reader().examine(lines, trusted)
    except OSError as error:
        raise _unreadable(file, error) from error
    if found.fault:
        sys.exit(plain(f"INVALID: {found.fault}."))
    print(_told(found, trusted=trusted is not None))


@audit.command(name="import")
def import_(file: Path, /, *, key: Signed, config: Config = None) -> None:
    """Bring the sessions of an export into the configured store, and not into the running service."""
    from ..settings import load_settings
    from .imports import import_sessions

    settings, trusted = load_settings(config, os.environ), _public_key(key)
    try:
        with file.open("rb") as opened:
            done = asyncio.run(import_sessions(settings, opened, trusted))
    except OSError as error:
        raise _unreadable(file, error) from error
    if not done:
        sys.exit(1)


@audit.command
def replay(session: str, /, *, to: To = None, from_: From = None, json: AsJson = False, url: Url = None) -> None:
    """Print a session as it was."""
    from .sessions import print_session

    state = _from_service(url, session, to) if from_ is None else _from_export(from_, session, to)
    if json:
        print(json_lines.dumps(state, indent=2))  # in ASCII: no character in it can steer a terminal
    else:
        print_session(state, state["turns"])


def _exported(sessions: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Where the service gives an export of these sessions, or of all."""
    if len(sessions) == 1:
        return f"/sessions/{quote(sessions[0], safe='')}/export", {}
    return "/audit/export", {"session": list(sessions)}


def _from_service(url: str | None, session_id: str, to: int | None) -> Any:
    from .client import client_at

    with client_at(url) as client:
        return client.get(f"/sessions/{quote(session_id, safe='')}/replay", {"to": to})


def _from_export(file: Path, session_id: str, to: int | None) -> Any:
    import msgspec

    from ..composition.audit import open_export_reader
    from ..http.resources.audit import replay_object

    try:
        with file.open("rb") as lines:
            exported = list(lines)
    except OSError as error:
        raise _unreadable(file, error) from error
    return msgspec.to_builtins(replay_object(open_export_reader().replay(exported, session_id, to=to)))


def _told(found: Examination, *, trusted: bool) -> str:
    told = [f"VALID: {found.events} events of {found.sessions} sessions are whole, signed by key {found.key_id}."]
    if not trusted:
        told.append("Whose key that is, the export alone cannot say: give --key to insist on one.")
    if found.erased:
        told.append(f"{found.erased} events are of erased sessions: their content is gone, their chain is whole.")
    if found.uncommitted:
        told.append(f"For the content of {found.uncommitted} events of an early format only the signature vouches.")
    return "\n".join(told)


def _public_key(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidRequest(
            detail="--key takes a public key in base64, as `pluggably audit key` prints it."
        ) from error


def _unreadable(file: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(detail=f"{file} cannot be read: {error.strerror}.")
