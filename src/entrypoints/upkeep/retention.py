"""Carries out the retention policy while the service runs.

The first run is one interval after the start: time to look at a dry run before a policy that was set wrongly acts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import structlog
from attrs import frozen

from ...application.ports import IdFactory
from ...application.retention import Retention
from .periodic import repeated

_log = structlog.get_logger()


@frozen
class ScheduledRetention:
    """Each run has an id of its own, which is the request id of what it does."""

    retention: Retention
    new_id: IdFactory

    @asynccontextmanager
    async def being_carried_out(self, every_s: float) -> AsyncIterator[None]:
        """Run every so many seconds until the context is left; never, if that is 0."""
        async with repeated(self._run, every_s, failed="retention.failed") if every_s else nullcontext():
            yield

    async def _run(self) -> None:
        report = await self.retention.run(self.new_id("ret"), dry_run=False)
        for it in report.skipped:
            _log.warning("retention.skipped", session=it.due.session_id, code=it.error.code, error=str(it.error))
        if report.done:
            _log.info(
                "retention.ran",
                request_id=report.request_id,
                sessions=sum(it.erasure is not None for it in report.done),
                state_tokens=sum(it.state_tokens for it in report.done),
                skipped=len(report.skipped),
            )
