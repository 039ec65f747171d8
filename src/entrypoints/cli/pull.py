"""`pluggably pull`: fetch a model, with a progress bar."""

from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ..container import open_catalog, open_downloads
from ..settings import Settings

COMPLETE = "complete"


async def pull(settings: Settings, source: str, into: Path | None) -> None:
    """Fetch `source` into a model folder.

    Raises:
        GatewayError: what went wrong, and what to do.
    """
    out = Console(highlight=False, soft_wrap=True)
    steps = open_downloads(settings, into).fetch(source)
    columns = (TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=out, disable=not out.is_terminal) as bars:
        said, bar = "", None
        async with aclosing(cast(Any, steps)) as progress:
            async for step in progress:
                if step.status == COMPLETE:
                    break
                if step.status != said:
                    said, bar = step.status, bars.add_task(step.status, total=step.bytes_total)
                    if not out.is_terminal:
                        out.print(f"{said} {source}")
                if bar is not None:
                    bars.update(bar, completed=step.bytes_done, total=step.bytes_total)
    models = await open_catalog(settings).list() if into is None else []
    names = [model.id for model in models if model.source and model.source.endswith(source.partition(":")[2])]
    out.print(f"[green]✓[/] {', '.join(names) or source} is here.")
