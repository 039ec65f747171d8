"""Deletes artifacts whose time is over, and what killed processes left of others, as long as the service runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from ...application.artifacts import Artifacts
from .periodic import repeated

CLEANUP_S = 600.0

_log = structlog.get_logger()


@asynccontextmanager
async def being_cleaned_up(artifacts: Artifacts, every_s: float = CLEANUP_S) -> AsyncIterator[None]:
    """Clean up again and again until the context is left."""

    async def clean_up() -> None:
        if deleted := await artifacts.cleanup():
            _log.info("artifacts.cleaned_up", deleted=deleted)

    async with repeated(clean_up, every_s, failed="artifacts.cleanup_failed"):
        yield
