"""`pluggably pull`: fetch a model, with a progress bar, by the running service or without one.

Ctrl-C pauses: what is here is kept, and the same command goes on with it.
"""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from ...application.downloads import DownloadRequest
from ...domain.access import LOCAL_OPERATOR
from ...domain.download import DownloadJob, DownloadStatus
from ...domain.errors import GatewayError
from ..composition.commands import open_downloads
from ..settings import Settings
from .client import Client
from .plain import plain, shown

_IDLE_S = 15.0


@define
class _Shown:
    """How far a download is, on a terminal as a bar, elsewhere as a line for each of its states.

    Speed and time are the download's own, not what Rich makes of the bar: it knows of none while nothing comes.
    """

    out: Console
    bars: Progress
    source: str
    bar: TaskID | None = field(default=None)
    said: str = field(default="")

    def show(self, status: str, done: int, total: int | None, rate: float | None, eta_s: float | None) -> None:
        """Show it: bytes, bytes per second, and seconds that it still takes."""
        word = "downloading" if status == DownloadStatus.RUNNING else status
        if word != self.said:
            self.said = word
            if not self.out.is_terminal:
                self.out.print(f"{word} {shown(self.source)}")
        if self.bar is None:
            self.bar = self.bars.add_task(word, total=total, pace="")
        pace = "" if rate is None else f"{decimal(round(rate))}/s"
        if eta_s is not None:
            pace += f" {timedelta(seconds=round(eta_s))}"
        self.bars.update(self.bar, description=word, completed=done, total=total or None, pace=pace)


async def pull(settings: Settings, request: DownloadRequest, into: Path | None) -> None:
    """Fetch a model into a model folder, without the service.

    Raises:
        GatewayError: what went wrong, and what to do.
        KeyboardInterrupt: it was paused.
    """
    out = Console(highlight=False, soft_wrap=True)
    try:
        async with open_downloads(settings, into) as downloads:
            job = await downloads.create(request, LOCAL_OPERATOR)
            changes = await downloads.follow(job.id, LOCAL_OPERATOR, after=0, idle_s=_IDLE_S)
            with _showing(out, request.source) as view:
                async with aclosing(changes):
                    async for change in changes:
                        if change is not None:
                            job = change
                            view.show(job.status, job.bytes_done, job.bytes_total, job.rate_bytes_per_s, job.eta_s)
    except asyncio.CancelledError:
        _say_how_to_resume(out, request.source)
        raise
    _say_end(out, request.source, _plain_object(job))


def pull_by_service(client: Client, request: DownloadRequest) -> None:
    """Have the running service fetch a model.

    Raises:
        GatewayError: what went wrong, and what to do.
        KeyboardInterrupt: it was paused.
    """
    out = Console(highlight=False, soft_wrap=True)
    body = {"source": request.source, "include": list(request.include)}
    job = client.post("/downloads", body)
    path = f"/downloads/{job['id']}"
    try:
        with _showing(out, request.source) as view:
            for _, now in client.changes(f"{path}/events"):
                view.show(*(now[it] for it in ("status", "bytes_done", "bytes_total", "rate_bytes_per_s", "eta_s")))
                job = now
    except KeyboardInterrupt:
        client.post(f"{path}/pause")
        _say_how_to_resume(out, request.source)
        raise
    _say_end(out, request.source, job)


@contextmanager
def _showing(out: Console, source: str) -> Iterator[_Shown]:
    pace = TextColumn("{task.fields[pace]}", style="progress.data.speed")
    columns = (TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn(), pace)
    with Progress(*columns, console=out, disable=not out.is_terminal) as bars:
        yield _Shown(out, bars, source)


def _plain_object(job: DownloadJob) -> dict[str, Any]:
    failure = {"detail": job.failure.detail} if job.failure else None
    return {"status": job.status.value, "model_ids": job.model_ids, "error": failure}


def _say_end(out: Console, source: str, job: Mapping[str, Any]) -> None:
    """Say that it is here.

    Raises:
        GatewayError: it is not.
    """
    if job["status"] == DownloadStatus.FAILED:
        raise GatewayError(detail=plain(str((job["error"] or {}).get("detail", "The download failed."))))
    if job["status"] != DownloadStatus.COMPLETED:
        raise GatewayError(detail=f"The download was {job['status']} by somebody else.")
    out.print(f"[green]✓[/] {shown(', '.join(job['model_ids']) or source)} is here.")


def _say_how_to_resume(out: Console, source: str) -> None:
    out.print(f"Paused; what came is kept. Go on with: pluggably pull {shown(shlex.quote(source))}")
