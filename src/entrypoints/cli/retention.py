"""`pluggably sessions retention | hold | release`: what is let go of, and what must be kept."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from .client import Client
from .plain import shown

_WHAT = {"session": "session", "state_tokens": "state tokens"}


def retain(client: Client, *, dry_run: bool, limit: int, as_json: bool) -> None:
    """Have the service let go of what was kept long enough, or say what that is.

    Ends with code 1 if something was due and could not be done.
    """
    report = client.post("/retention", {"dry_run": dry_run, "limit": limit})
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print_report(report)
    if report["skipped"]:
        sys.exit(1)


def hold(client: Client, session_id: str, reason: str) -> None:
    """Let nobody erase a session."""
    held = client.post(f"/sessions/{quote(session_id, safe='')}/hold", {"reason": reason})
    Console(highlight=False, soft_wrap=True).print(f"{shown(held['id'])} is on hold: {shown(held['hold'])}")


def release(client: Client, session_id: str) -> None:
    """Let a session be erased again."""
    released = client.post(f"/sessions/{quote(session_id, safe='')}/release")
    Console(highlight=False, soft_wrap=True).print(f"{shown(released['id'])} is not on hold.")


def _print_report(report: Mapping[str, Any]) -> None:
    out = Console(highlight=False)
    if not report["plan"]:
        out.print("Nothing was kept too long.")
        return
    out.print(_table(report["plan"], report["policy"]))
    out.print()
    out.print(_told(report), soft_wrap=True)
    for it in report["skipped"]:
        out.print(f"[yellow]{shown(it['code'])}[/]: {shown(it['detail'])}", soft_wrap=True)
    if report["has_more"]:
        out.print("There is more: run it again, or give a higher --limit.")


def _table(plan: Sequence[Mapping[str, Any]], policy: Mapping[str, Any]) -> Table:
    reasons = {
        "audit_days": f"closed {policy['audit_days']} days before",
        "token_days": f"closed {policy['token_days']} days before",
        "expired": "expired",
    }
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("session", "what is due", "since", "because"):
        table.add_column(column, no_wrap=column == "session")
    for it in plan:
        since = it["since"][:19].replace("T", " ")
        table.add_row(shown(it["session_id"]), _WHAT[it["what"]], since, reasons[it["reason"]])
    return table


def _told(report: Mapping[str, Any]) -> str:
    if report["dry_run"]:
        return "Nothing was done: this was a dry run."
    erased = sum(it["receipt"] is not None for it in report["done"])
    tokens = sum(it["state_tokens"] for it in report["done"])
    return f"Erased sessions: {erased}. Deleted state tokens: {tokens}. Not done: {len(report['skipped'])}."
