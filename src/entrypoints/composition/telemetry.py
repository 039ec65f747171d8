"""What is observed, for the composition root: metrics, and what the log says of requests."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from attrs import define, field

from ...application.download_ports import DownloadStore
from ...application.job_ports import JobStore
from ...application.routing import Router
from ...application.storage import Storage, StorageUsage
from ...application.telemetry import NOTES, Observed
from ...application.usage import UsageReports
from ...domain.access import LOCAL_OPERATOR
from ...domain.download import ENDED, DownloadStatus
from ..upkeep.periodic import repeated
from .models import Runners

if TYPE_CHECKING:
    from ...adapters.telemetry.metrics import PrometheusMetrics, Reading

LAG_EVERY_S = 0.5
QUEUES_EVERY_S = 5.0
STORAGE_EVERY_S = 60.0

_log = structlog.get_logger()


@define(eq=False)
class Gauges:
    """What is the same whichever process is asked for metrics. It takes a while to look up, and is so now and then."""

    storage: StorageUsage | None = field(init=False, default=None)
    jobs: tuple[int, int] | None = field(init=False, default=None)
    downloads: Mapping[DownloadStatus, int] | None = field(init=False, default=None)

    def __call__(self) -> "Iterable[Reading]":
        """All of it, as far as it is known."""
        from ...adapters.telemetry.metrics import Reading

        def readings(name: str, said: str, label: str, values: Mapping[str, float]) -> "Iterable[Reading]":
            return [Reading(name=name, help=said, value=it, labels=((label, kind),)) for kind, it in values.items()]

        if self.storage:
            folders = self.storage.folders
            stored = {"models": folders.models_bytes, "partial": folders.partial_bytes}
            stored["artifacts"] = self.storage.artifacts.size_bytes
            yield from readings("pluggably_stored_bytes", "What is stored.", "kind", stored)
            yield Reading(name="pluggably_disk_free_bytes", help="What is free on the disk.", value=folders.free_bytes)
        if self.jobs:
            numbers = dict(zip(("queued", "running"), self.jobs, strict=True))
            yield from readings("pluggably_jobs", "Generations in the background.", "status", numbers)
        if self.downloads is not None:
            numbers = {it.value: self.downloads.get(it, 0) for it in DownloadStatus if it not in ENDED}
            yield from readings("pluggably_downloads", "Downloads that have not ended.", "status", numbers)


def at_work(runners: Runners, router: Router) -> "Iterable[Reading]":
    """What this process has at work."""
    from ...adapters.telemetry.metrics import Reading

    for it in runners.at_work():
        labels = (("model", it.model_id),)
        for name, said, value in (
            ("pluggably_model_resident_bytes", "Memory of the processes of loaded models.", it.resident_bytes),
            ("pluggably_model_requests_working", "Requests that local models work on.", it.working),
            ("pluggably_model_requests_waiting", "Requests that wait for local models.", it.waiting),
        ):
            yield Reading(name=name, help=said, value=value, labels=labels)
    for seats in router.seats.values():
        labels = (("provider", seats.provider),)
        for name, said, value in (
            ("pluggably_provider_requests_working", "Requests that providers with a limit work on.", seats.at_work),
            ("pluggably_provider_requests_waiting", "Requests that wait for a provider's limit.", seats.waiting),
        ):
            yield Reading(name=name, help=said, value=value, labels=labels)


def metrics(gauges: Gauges) -> "PrometheusMetrics":
    """What is counted."""
    from ...adapters.telemetry.metrics import PrometheusMetrics

    return PrometheusMetrics(gauges)


@define(eq=False)
class Telemetry:
    """Implements `Observer`: counts, notes what was used, and what the log line of the request says."""

    metrics: "PrometheusMetrics"
    usage: UsageReports

    def generated(self, it: Observed) -> None:
        """A generation is over."""
        self.usage.note(it)
        self.metrics.generated(it)
        notes = NOTES.get()
        if notes is not None:
            notes["model"], notes["provider"], notes["outcome"] = it.model, it.provider, it.outcome
            notes["first_output_ms"] = it.timing.first_output_ms
            if it.spent:
                usage = it.spent[-1].usage
                notes["input_tokens"], notes["output_tokens"] = usage.input_tokens, usage.output_tokens
            if len(it.attempts) > 1:
                notes["attempts"] = len(it.attempts)

    def stored(self, took_s: float) -> None:
        """Events of a session were stored."""
        self.metrics.stored(took_s)


@define(kw_only=True, eq=False)
class Watch:
    """Looks at the service while it runs, for its metrics."""

    metrics: "PrometheusMetrics"
    gauges: Gauges
    runners: Runners
    router: Router
    storage: Storage
    jobs: JobStore
    downloads: DownloadStore

    @asynccontextmanager
    async def being_kept(self) -> AsyncIterator[None]:
        """Look at the event loop, at what is at work, waits and is stored, until the context is left."""
        looking = asyncio.create_task(self._keep_looking())
        try:
            async with (
                repeated(self._look_at_storage, STORAGE_EVERY_S, failed="storage.not_measured", at_once=True),
                repeated(self._look_at_queues, QUEUES_EVERY_S, failed="queues.not_measured", at_once=True),
            ):
                yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            self.metrics.hand_over()

    async def _look_at_storage(self) -> None:
        self.gauges.storage = await self.storage.usage(LOCAL_OPERATOR)

    async def _look_at_queues(self) -> None:
        self.gauges.jobs = await self.jobs.waiting_and_running()
        self.gauges.downloads = await self.downloads.numbers()

    async def _keep_looking(self) -> None:
        loop: Any = asyncio.get_running_loop()
        while True:
            self.metrics.at_work(at_work(self.runners, self.router))
            due = loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.metrics.lagged(max(0.0, loop.time() - due))
            self.metrics.hand_over()
