"""Statements that SQLite and PostgreSQL both understand, and how they are run."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

Row = Sequence[Any]
Statement = tuple[str, Sequence[object]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Database(Protocol):
    """A database with the tables of every family, in which places for values are written `?`."""

    async def run(self, *statements: Statement) -> list[Row]:
        """Run statements in one transaction, durably.

        Returns:
            The rows of the last one.

        Raises:
            InsufficientStorage, StoreUnavailable: as they say; nothing was changed.
        """
        ...

    def locked(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock of that name, among all processes that use the database.

        Raises:
            StoreUnavailable: it was not free in time.
        """
        ...

    async def close(self) -> None:
        """Let go of the database."""


def microseconds(time: datetime) -> int:
    """A time as tables have it: microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(microseconds: int) -> datetime:
    """The time, aware, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)
