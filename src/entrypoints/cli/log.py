"""`pluggably audit verify` without a file, and `checkpoints`: the service's log, and what was signed of it."""

import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ...domain.errors import InvalidRequest
from .client import Client
from .plain import plain

_PAGE = 1_000
_KEPT_IN = {"database": "the database", "second_place": "the second place"}


def print_checkpoints(client: Client, limit: int | None, *, as_json: bool) -> None:
    """Print the notes as they are kept in the second place."""
    found = list(islice(_checkpoints(client), limit))[::-1]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("".join(f"{it['note']}\n" for it in found), end="")


def verify_log(client: Client, trusted: bytes | None, copy: Path | None, *, as_json: bool) -> None:
    """Have the service check its log, then compare its checkpoints with the key and with one's own copy.

    Exits with code 1 and the first fault.
    """
    found = client.get("/audit/verify")
    fault = _subject(found["fault"]) if found["fault"] else None
    if fault is None and (trusted or copy):
        public = trusted or b64decode(client.get("/audit/key")["public_key"])
        fault = _first_contradiction(client, public, copy)
    if as_json:
        print(json.dumps(found | {"contradiction": fault if found["valid"] else None}, indent=2))
    if fault:
        sys.exit(plain(f"INVALID: {fault}."))
    if not as_json:
        print("\n".join(_told(found, trusted, copy)))


def _first_contradiction(client: Client, public: bytes, copy: Path | None) -> str | None:
    """What the service's checkpoints and the copy have of faults, by a key that is not the service's to choose."""
    from ..composition.audit import read_checkpoints

    roots = dict[int, bytes]()
    for it in _checkpoints(client):
        for head in read_checkpoints(it["note"].encode().splitlines(keepends=True), public):
            if head is None:
                return f"the service's checkpoint of {it['events']} events is not signed by the key"
            roots[head.size] = head.root
    number = 0
    for number, head in enumerate(read_checkpoints(_lines(copy), public) if copy else (), 1):
        if head is None:
            return f"note {number} of {copy} is not signed by the key"
        if head.size not in roots:
            return f"the checkpoint of {head.size} events in {copy} is not among those of the service"
        if head.root != roots[head.size]:
            return f"the checkpoint of {head.size} events in {copy} says another history than that of the service"
    return f"{copy} holds no checkpoint" if copy and not number else None


def _checkpoints(client: Client) -> Iterator[dict[str, Any]]:
    """All of them, the latest first."""
    query: dict[str, Any] = {"limit": _PAGE}
    while True:
        page = client.get("/audit/checkpoints", query)
        yield from page["data"]
        if not page["has_more"]:
            return
        query["after"] = page["next_after"]


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as lines:
            yield from lines
    except OSError as error:
        raise InvalidRequest(detail=f"{file} cannot be read: {error.strerror}.") from error


def _subject(fault: dict[str, Any]) -> str:
    """The fault, with what it is in."""
    if fault["session_id"] is not None:
        position = f" (event {fault['position']} of the log)" if fault["position"] else ""
        return f"session {fault['session_id']}, version {fault['version']}{position} {fault['what']}"
    place = _KEPT_IN[fault["kept_in"]]
    if fault["checkpoint"] is None:
        return f"{place} {fault['what']}"
    return f"the checkpoint of {fault['checkpoint']} events in {place} {fault['what']}"


def _told(found: dict[str, Any], trusted: bytes | None, copy: Path | None) -> Iterator[str]:
    yield (
        f"VALID: {found['events']} events of {found['sessions']} sessions are whole, "
        f"and as {found['checkpoints']} checkpoints say."
    )
    if copy:
        yield f"The checkpoints in {copy} are among them."
    if not trusted:
        yield "Whose key signed them, the service alone has said: give --key to insist on one."
    if found["uncovered"]:
        yield f"{found['uncovered']} events are newer than the last checkpoint."
    if found["uncopied"]:
        yield f"{found['uncopied']} checkpoints are not in the second place yet."
