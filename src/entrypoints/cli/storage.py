"""`pluggably storage`: how much is stored, and what goes when that is too much."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress_bar import ProgressBar
from rich.table import Table

from .client import Client
from .models import ago
from .plain import shown

_BAR = 24


def show_storage(client: Client, *, as_json: bool) -> None:
    """Print how much is stored."""
    usage = client.get("/storage")
    if as_json:
        print(json.dumps(usage, indent=2))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(width=_BAR)
    table.add_column(style="dim")
    for kind in ("models", "artifacts"):
        used, limit = usage[kind]["used_bytes"], usage[kind]["limit_bytes"]
        of = f" of {decimal(limit)}" if limit is not None else ""
        table.add_row(kind.title(), f"{decimal(used)}{of}", _bar(used, limit), ", ".join(_details(usage[kind], kind)))
    disk = usage["disk"]
    kept = f"{decimal(disk['min_free_bytes'])} are kept free" if disk["min_free_bytes"] else ""
    taken = disk["total_bytes"] - disk["free_bytes"]
    free = f"{decimal(disk['free_bytes'])} free of {decimal(disk['total_bytes'])}"
    table.add_row("Disk", free, _bar(taken, disk["total_bytes"]), kept)
    Console(highlight=False).print(table)


def clean_up(client: Client, *, dry_run: bool, as_json: bool) -> None:
    """Have the service delete what its policy does not allow, or say what that is.

    Ends with code 1 if the limits do not hold afterwards.
    """
    done = client.post("/storage/cleanup", {"dry_run": dry_run})
    if as_json:
        print(json.dumps(done, indent=2))
    else:
        _print(done)
    if done["kept"] or done["lacking_bytes"]:
        sys.exit(1)


def _details(usage: Mapping[str, Any], kind: str) -> Iterator[str]:
    count = usage["count"]
    yield f"{count} {kind if count != 1 else kind.removesuffix('s')}"
    if usage.get("partial_bytes"):
        yield f"{decimal(usage['partial_bytes'])} partial"
    if usage["reserved_bytes"]:
        yield f"{decimal(usage['reserved_bytes'])} reserved for downloads"
    if usage["reclaimable_bytes"]:
        yield f"{decimal(usage['reclaimable_bytes'])} could go"
    if usage["retention_days"] is not None:
        yield f"gone after {usage['retention_days']} days" + (" without use" if kind == "models" else "")


def _bar(used: int, limit: int | None) -> ProgressBar | str:
    if not limit:
        return ""
    style = "red" if used > limit else "green"
    return ProgressBar(total=limit, completed=used, width=_BAR, complete_style=style, finished_style=style)


def _print(done: Mapping[str, Any]) -> None:
    out = Console(highlight=False)
    if done["plan"]:
        out.print(_table(done["plan"]))
        out.print()
        out.print(_told(done), soft_wrap=True)
    else:
        out.print("There is nothing to delete.")
    for it in done["kept"]:
        out.print(f"[yellow]{shown(it['id'])} was kept[/]: {shown(it['detail'])}", soft_wrap=True)
    if done["lacking_bytes"]:
        lacking = decimal(done["lacking_bytes"])
        out.print(
            f"[yellow]{lacking} too much are left[/], all of them pinned or in use: unpin some, or raise the limits.",
            soft_wrap=True,
        )


def _table(plan: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("what", "", "size", "used", "because of"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=column == "")
    for it in plan:
        used = ago(it["last_used_at"]) or ("never" if it["kind"] == "model" else "")
        because = "its time is over" if it["reason"] == "expired" else f"storage.{it['reason']}"
        table.add_row(it["kind"], f"[bold]{shown(it['id'])}[/]", decimal(it["size_bytes"]), used, because)
    return table


def _told(done: Mapping[str, Any]) -> str:
    freed = decimal(done["freed_bytes"])
    if done["dry_run"]:
        return f"Nothing was done: this was a dry run. {freed} would be free again."
    return f"{freed} are free again."
