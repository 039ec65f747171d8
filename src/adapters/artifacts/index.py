"""Which artifacts there are, in an SQL database.

Times are microseconds since 1970, facts are JSON. A content is noted apart from the artifacts that have it, so that one
that nobody came to need, or needs any more, is found.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from ...application.artifact_ports import ArtifactTotals
from ...domain.artifact import Artifact, Content, Origin
from ..database.sql import Database, Row, Statement, microseconds, time_of

COLUMNS = (
    *("id", "owner", "media_type", "sha256", "size_bytes", "origin"),
    *("session_id", "generation_id", "facts", "created_at", "kept_until"),
)
_NOTE = "INSERT INTO artifact_contents (sha256, size_bytes) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ADD = f"INSERT INTO artifacts ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - names of our own
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM artifacts "  # noqa: S608 - names of our own
_UNNEEDED = """
SELECT sha256, size_bytes FROM artifact_contents AS noted
WHERE NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.sha256 = noted.sha256) ORDER BY sha256"""

_TOTALS = """
SELECT (SELECT count(*) FROM artifacts), COALESCE(SUM(size_bytes), 0),
COALESCE(SUM(CASE WHEN EXISTS (
    SELECT 1 FROM artifacts WHERE artifacts.sha256 = noted.sha256 AND (kept_until IS NULL OR kept_until > ?)
) THEN 0 ELSE size_bytes END), 0)
FROM artifact_contents AS noted"""
_MOST_DUE = 1_000


class SqlArtifactIndex:
    """Implements `ArtifactIndex` and `StoredArtifacts`."""

    def __init__(self, database: Database) -> None:
        """The tables are there."""
        self._database = database

    @asynccontextmanager
    async def exclusively(self, content: Content) -> AsyncIterator[None]:
        """Let nobody else be in here with the same content."""
        async with self._database.locked(f"content {content.sha256}"):
            yield

    async def expect(self, content: Content) -> None:
        """Note a content."""
        await self._database.run(_noted(content))

    async def add(self, artifact: Artifact) -> None:
        """Add an artifact."""
        await self._database.run(_noted(artifact.content), (_ADD, _to_row(artifact)))

    async def get(self, artifact_id: str) -> Artifact | None:
        """The artifact with that id."""
        found = await self._select("WHERE id = ?", artifact_id)
        return found[0] if found else None

    async def of_session(self, session_id: str) -> Sequence[Artifact]:
        """All artifacts of a session."""
        return await self._select("WHERE session_id = ? ORDER BY id", session_id)

    async def due(self, at: datetime, limit: int) -> Sequence[Artifact]:
        """Artifacts whose time is over."""
        return await self._select("WHERE kept_until <= ? ORDER BY kept_until, id LIMIT ?", microseconds(at), limit)

    async def delete(self, artifact_id: str) -> bool:
        """Forget an artifact."""
        return bool(await self._database.run(("DELETE FROM artifacts WHERE id = ? RETURNING id", (artifact_id,))))

    async def is_needed(self, content: Content) -> bool:
        """Whether an artifact has that content."""
        return bool(await self._select("WHERE sha256 = ? LIMIT 1", content.sha256))

    async def unneeded(self) -> Sequence[Content]:
        """The contents that no artifact has."""
        rows = await self._database.run((_UNNEEDED, ()))
        return [Content(sha256=sha256, size_bytes=size_bytes) for sha256, size_bytes in rows]

    async def forget(self, content: Content) -> None:
        """Note that a content is gone."""
        await self._database.run(("DELETE FROM artifact_contents WHERE sha256 = ?", (content.sha256,)))

    async def totals(self, at: datetime) -> ArtifactTotals:
        """How much there is."""
        ((count, size, reclaimable),) = await self._database.run((_TOTALS, (microseconds(at),)))
        return ArtifactTotals(
            count=count,
            size_bytes=int(size),
            reclaimable_bytes=int(reclaimable),
            due=tuple(await self.due(at, _MOST_DUE)),
        )

    async def _select(self, where: str, *values: object) -> list[Artifact]:
        return [_to_artifact(row) for row in await self._database.run((_SELECT + where, values))]


def _noted(content: Content) -> Statement:
    return _NOTE, (content.sha256, content.size_bytes)


def _to_row(it: Artifact) -> Row:
    return (
        *(it.id, it.owner, it.media_type, it.content.sha256, it.content.size_bytes, it.origin.value),
        *(it.session_id, it.generation_id, json.dumps(dict(it.facts)), microseconds(it.created_at)),
        None if it.kept_until is None else microseconds(it.kept_until),
    )


def _to_artifact(row: Row) -> Artifact:
    it = dict(zip(COLUMNS, row, strict=True))
    content = Content(sha256=it.pop("sha256"), size_bytes=it.pop("size_bytes"))
    times = {name: None if it[name] is None else time_of(it[name]) for name in ("created_at", "kept_until")}
    known = {"content": content, "origin": Origin(it["origin"]), "facts": json.loads(it["facts"])}
    return Artifact(**(it | times | known))
