"""`pluggably audit reads`: who read what for an audit."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from .client import Client
from .plain import shown


def show_reads(client: Client, *, after: int, as_json: bool) -> None:
    """Print the audit trail, from the read following `after` on; this read is the last one in it."""
    reads: list[dict[str, Any]] = []
    more = True
    while more:
        page = client.get("/audit/reads", {"after": reads[-1]["number"] if reads else after, "limit": 1_000})
        reads += page["data"]
        more = page["has_more"]
    if as_json:
        print(json.dumps(reads, indent=2))  # in ASCII: no character in it can steer a terminal
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("number", "at", "by", "what", "session", "asked"):
        table.add_column(column, justify="right" if column == "number" else "left", no_wrap=column == "session")
    for it in reads:
        asked = ", ".join(f"{name}={value}" for name, value in it["asked"].items())
        row = it["at"][:19].replace("T", " "), it["actor"], it["what"], it["session_id"] or "", asked
        table.add_row(str(it["number"]), *map(shown, row))
    Console(highlight=False).print(table)
