"""What is observed, for the composition root: metrics, and what the log says of requests."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from attrs import define, field

from ...application.storage import Storage, StorageUsage
from ...application.telemetry import NOTES, Observed
from ...domain.access import LOCAL_OPERATOR
from ..upkeep.periodic import repeated
from .models import Runners

if TYPE_CHECKING:
    from ...adapters.telemetry.metrics import PrometheusMetrics, Reading

LAG_EVERY_S = 0.5
STORAGE_EVERY_S = 60.0

_log = structlog.get_logger()


@define(eq=False)
class Gauges:
    """What is looked up when metrics are asked for. What takes a while to look up is looked up now and then."""

    runners: Runners
    storage: StorageUsage | None = field(init=False, default=None)

    def __call__(self) -> "Iterable[Reading]":
        """All of it."""
        from ...adapters.telemetry.metrics import Reading

        for it in self.runners.at_work():
            labels = (("model", it.model_id),)
            for name, said, value in (
                ("pluggably_model_resident_bytes", "Memory of the processes of loaded models.", it.resident_bytes),
                ("pluggably_model_requests_working", "Requests that local models work on.", it.working),
                ("pluggably_model_requests_waiting", "Requests that wait for local models.", it.waiting),
            ):
                yield Reading(name=name, help=said, value=value, labels=labels)
        if self.storage:
            folders, said = self.storage.folders, "What is stored."
            for kind, size in (
                ("models", folders.models_bytes),
                ("partial", folders.partial_bytes),
                ("artifacts", self.storage.artifacts.size_bytes),
            ):
                yield Reading(name="pluggably_stored_bytes", help=said, value=size, labels=(("kind", kind),))
            yield Reading(name="pluggably_disk_free_bytes", help="What is free on the disk.", value=folders.free_bytes)


def metrics(gauges: Gauges) -> "PrometheusMetrics":
    """What is counted."""
    from ...adapters.telemetry.metrics import PrometheusMetrics

    return PrometheusMetrics(gauges)


@define(eq=False)
class Telemetry:
    """Implements `Observer`: counts, and notes for the log line of the request."""

    metrics: "PrometheusMetrics"

    def generated(self, it: Observed) -> None:
        """A generation is over."""
        self.metrics.generated(it)
        notes = NOTES.get()
        if notes is not None:
            notes["model"], notes["provider"], notes["outcome"] = it.model, it.provider, it.outcome
            notes["first_output_ms"] = it.timing.first_output_ms
            if it.usage:
                notes["input_tokens"], notes["output_tokens"] = it.usage.input_tokens, it.usage.output_tokens
            if len(it.attempts) > 1:
                notes["attempts"] = len(it.attempts)

    def stored(self, took_s: float) -> None:
        """Events of a session were stored."""
        self.metrics.stored(took_s)


@asynccontextmanager
async def being_watched(metrics: "PrometheusMetrics", gauges: Gauges, storage: Storage) -> AsyncIterator[None]:
    """Look at the event loop and at what is stored, until the context is left."""

    async def look() -> None:
        gauges.storage = await storage.usage(LOCAL_OPERATOR)

    lag = asyncio.create_task(_watch_lag(metrics))
    try:
        async with repeated(look, STORAGE_EVERY_S, failed="storage.not_measured"):
            yield
    finally:
        lag.cancel()
        await asyncio.wait({lag})


async def _watch_lag(metrics: "PrometheusMetrics") -> None:
    loop: Any = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.lagged(max(0.0, loop.time() - due))
