"""Downloads in an SQL database, each a row with a JSON document.

A download is changed by comparing its version, so that of two who change it at once one is told. The index over those
that have not ended lets no second one of the same content in.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from attrs import evolve

from ...application.download_ports import Lease
from ...domain.download import DownloadJob, DownloadStatus, start
from ..database.sql import Database, Row, Statement, microseconds

_ADD = """
INSERT INTO downloads (id, content, status, version, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING RETURNING id"""
_SAVE = """
UPDATE downloads SET status = ?, worker = ?, lease_until = ?, version = ?, document = ?
WHERE id = ? AND version = ? RETURNING id"""
_SELECT = "SELECT version, document FROM downloads "
_NOT_ENDED = "status IN ('queued', 'running', 'verifying', 'paused')"
_TO_DO = """
WHERE status = 'queued' OR (status IN ('running', 'verifying') AND (lease_until IS NULL OR lease_until <= ?))
ORDER BY id LIMIT 1"""
_NUMBERS = f"SELECT status, count(*) FROM downloads WHERE {_NOT_ENDED} GROUP BY status"  # noqa: S608 - our own
_END_LEASES = "UPDATE downloads SET worker = NULL, lease_until = NULL WHERE lease_until IS NOT NULL"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DownloadJob).decode


class SqlDownloadStore:
    """Implements `DownloadStore`."""

    def __init__(self, database: Database) -> None:
        """The tables are there."""
        self._database = database

    async def add(self, job: DownloadJob) -> DownloadJob:
        """Add a download, or find the one that is there."""
        while True:
            values = (job.id, job.key, job.status.value, job.version, _document(job))
            if await self._database.run((_ADD, values)):
                return job
            if known := await self.of_key(job.key):
                return known

    async def get(self, job_id: str) -> DownloadJob | None:
        """The download with that id."""
        return await self._first("WHERE id = ?", job_id)

    async def of_key(self, key: str) -> DownloadJob | None:
        """The download of that key that has not ended."""
        return await self._first(f"WHERE content = ? AND {_NOT_ENDED}", key)

    async def list(self, *, limit: int, before: str | None = None) -> Sequence[DownloadJob]:
        """Downloads, the newest first."""
        if before is None:
            return await self._select("ORDER BY id DESC LIMIT ?", limit)
        return await self._select("WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)

    async def claim(self, lease: Lease, at: datetime) -> DownloadJob | None:
        """Give a download to whoever asks."""
        while waiting := await self._first(_TO_DO, microseconds(at)):
            if claimed := await self.save(start(waiting, at=at), lease):
                return claimed
        return None

    async def save(self, job: DownloadJob, lease: Lease | None = None) -> DownloadJob | None:
        """Store a download over the version that it was made from."""
        saved = evolve(job, version=job.version + 1)
        held = (lease.worker, microseconds(lease.until)) if lease else (None, None)
        values = (saved.status.value, *held, saved.version, _document(saved), job.id, job.version)
        return saved if await self._database.run((_SAVE, values)) else None

    async def numbers(self) -> Mapping[DownloadStatus, int]:
        """How many there are of each status."""
        rows = await self._database.run((_NUMBERS, ()))
        return {DownloadStatus(status): number for status, number in rows}

    async def keys(self) -> Collection[str]:
        """The keys of downloads that can go on."""
        status = DownloadStatus.FAILED.value
        rows = await self._database.run(
            (f"SELECT content FROM downloads WHERE status = ? OR {_NOT_ENDED}", (status,))  # noqa: S608 - our own
        )
        return {content for (content,) in rows}

    async def end_leases(self) -> None:
        """Take every lease for over."""
        await self._database.run((_END_LEASES, ()))

    async def delete(self, job_id: str) -> None:
        """Forget a download."""
        await self._database.run(("DELETE FROM downloads WHERE id = ?", (job_id,)))

    async def _first(self, where: str, *values: object) -> DownloadJob | None:
        found = await self._select(where, *values)
        return found[0] if found else None

    async def _select(self, where: str, *values: object) -> Sequence[DownloadJob]:
        statement: Statement = (_SELECT + where, values)
        return [_to_job(row) for row in await self._database.run(statement)]


def _document(job: DownloadJob) -> str:
    return _encode(job).decode()


def _to_job(row: Row) -> DownloadJob:
    version, document = row
    return evolve(_decode(document), version=version)
