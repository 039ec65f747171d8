"""Usage in an SQL database that processes share: a row for each hour, key and model.

A batch is added in one transaction that also notes its number: where the answer to a commit was lost, the same batch is
added again, and adds nothing.
"""

from collections.abc import Sequence

from ...application.usage_ports import UsageBatch, UsageQuery, UsageSum
from ...domain.usage import UsageCounts
from ..database.sql import Database, Statement

_COUNTS = UsageCounts._fields
_ADDED = ", ".join(f"{name} = usage_hours.{name} + excluded.{name}" for name in _COUNTS)
_HOLD = """
INSERT INTO usage_writers (writer, last) VALUES (?, 0) ON CONFLICT (writer) DO UPDATE SET writer = excluded.writer"""
_ADD = f"""
INSERT INTO usage_hours (hour, day, owner, key, provider, model, {", ".join(_COUNTS)})
SELECT ?, ?, ?, ?, ?, ?, {", ".join("?" * len(_COUNTS))}
WHERE (SELECT last FROM usage_writers WHERE writer = ?) < ?
ON CONFLICT (owner, hour, key, provider, model) DO UPDATE SET {_ADDED}"""  # noqa: S608 - names of our own
_NOTE = "UPDATE usage_writers SET last = ? WHERE writer = ? AND last < ?"
_SUMS = ", ".join(f"CAST(sum({name}) AS bigint)" for name in _COUNTS)


class SqlUsageLedger:
    """Implements `UsageLedger`."""

    def __init__(self, database: Database) -> None:
        """The tables are there."""
        self._database = database

    async def add(self, batch: UsageBatch) -> None:
        """Add what is in a batch, once."""
        mine = (batch.writer, batch.number)
        adds: list[Statement] = [
            (_ADD, (slot.hour, slot.day, slot.owner, slot.key, slot.provider, slot.model, *counts, *mine))
            for slot, counts in sorted(batch.counts.items())  # or two might deadlock
        ]
        await self._database.run((_HOLD, (batch.writer,)), *adds, (_NOTE, (batch.number, batch.writer, batch.number)))

    async def sums(self, query: UsageQuery) -> Sequence[UsageSum]:
        """What was used, by the group."""
        group = query.group_by.value
        asked = {
            "owner = ?": query.owner,
            "hour >= ?": query.since,
            "hour < ?": query.until,
            f"{group} > ?": query.after,
        }
        given = {condition: value for condition, value in asked.items() if value is not None}
        where = f"WHERE {' AND '.join(given)} " if given else ""
        statement = f"SELECT {group}, {_SUMS} FROM usage_hours {where}GROUP BY {group} ORDER BY {group} LIMIT ?"  # noqa: S608 - names of our own
        rows = await self._database.run((statement, (*given.values(), query.limit)))
        return [UsageSum(name, UsageCounts(*counts)) for name, *counts in rows]
