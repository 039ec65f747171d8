"""`pluggably sessions`: the sessions of the running service, and what happened in them."""

import json
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from .client import Client
from .plain import shown


def list_sessions(client: Client, *, limit: int, as_json: bool) -> None:
    """Print the last active sessions."""
    found = client.get("/sessions", {"limit": limit})["data"]
    if as_json:
        _print_json(found)
        return
    out = Console(highlight=False)
    if not found:
        out.print("There are no sessions yet. Begin one with: pluggably chat")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("session", "title", "status", "turns", "last activity"):
        table.add_column(column, justify="right" if column == "turns" else "left", no_wrap=column == "session")
    for it in found:
        turns, moment = str(it["turns"]), _moment(it["last_activity_at"])
        status = f"{it['status']}, on hold" if it["hold"] is not None else it["status"]
        table.add_row(it["id"], shown(it["title"] or ""), status, turns, moment)
    out.print(table)


def show_session(client: Client, session_id: str, *, as_json: bool) -> None:
    """Print a session and its turns."""
    session_id = quote(session_id, safe="")
    session = client.get(f"/sessions/{session_id}")
    turns = client.get(f"/sessions/{session_id}/turns")["data"]
    if as_json:
        _print_json(session | {"turns": turns})
        return
    print_session(session, turns)


def print_session(session: dict[str, Any], turns: list[dict[str, Any]]) -> None:
    """Print a session and its turns, for people."""
    out = Console(highlight=False)
    out.print(f"[bold]{shown(session['id'])}[/] {shown(session['title'] or '')}")
    out.print(f"[dim]{session['status']}, version {session['version']}, since {_moment(session['created_at'])}[/]")
    if session["hold"] is not None:
        out.print(f"[yellow]on hold[/]: {shown(session['hold'])}")
    out.print()
    for turn in turns:
        out.print(f"[dim]{turn['number']} · {shown(turn['model'])} · {turn['status']}[/]")
        for message in turn["messages"]:
            out.print(f"[cyan]{shown(message['role'])} ›[/] {shown(_text(message['content']))}")
        if turn["output"]:
            out.print(f"[green]{shown(turn['model'])} ›[/] {shown(_text(turn['output']))}")
        if turn["error"]:
            out.print(f"[yellow]{turn['error']['code']}[/]: {shown(turn['error']['detail'])}")
        out.print()


def show_events(client: Client, session_id: str, *, as_json: bool) -> None:
    """Print what happened in a session."""
    events: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 100}
    while True:
        page = client.get(f"/sessions/{quote(session_id, safe='')}/events", query)
        events += page["data"]
        if not page["has_more"]:
            break
        query["after"] = page["next_after"]
    if as_json:
        _print_json(events)
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("version", "event", "by", "recorded", "hash"):
        table.add_column(column, justify="right" if column == "version" else "left")
    for event in events:
        moment, digest = _moment(event["recorded_at"]), event["hash"][:12]
        table.add_row(str(event["version"]), shown(event["type"]), shown(event["actor"]), moment, digest)
    Console(highlight=False).print(table)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or f"[{part['type']}]" for part in content)


def _moment(at: str) -> str:
    return at[:19].replace("T", " ")


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2))  # in ASCII: no character in it can steer a terminal
