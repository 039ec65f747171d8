"""What stands behind the ports of usage, for the composition root, and what writes it down while the service runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from ...application.ports import IdFactory
from ...application.usage import UsageReports
from ...application.usage_ports import UsageJournal, UsageLedger
from ...domain.errors import GatewayError
from ..settings import Settings
from ..upkeep.periodic import repeated

if TYPE_CHECKING:
    from ...adapters.database.sql import Database

WRITE_S = 1.0
FAILED = "usage.not_written"

_log = structlog.get_logger()


def journal(settings: Settings, new_id: IdFactory) -> UsageJournal:
    """Where it is until it is written."""
    from ...adapters.usage.journal import UsageJournalFiles

    return UsageJournalFiles(settings.data_path / "usage", new_id("run"))


def ledger(database: "Database") -> UsageLedger:
    """Where it is written."""
    from ...adapters.usage.ledger import SqlUsageLedger

    return SqlUsageLedger(database)


@asynccontextmanager
async def being_written(reports: UsageReports) -> AsyncIterator[None]:
    """Write down what is used every second until the context is left, and then the rest.

    What cannot be written at the end is left to the next process.
    """
    try:
        async with repeated(reports.write, WRITE_S, failed=FAILED):
            yield
    finally:
        try:
            await reports.write()
        except GatewayError as error:
            _log.warning(FAILED, code=error.code, error=str(error))
        finally:
            await reports.journal.close()
