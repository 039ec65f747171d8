"""Jobs in an SQL database. What clients said and were told is encrypted, with a key that every process shares."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...application.job_ports import Asked
from ...application.transcript import Numbered
from ...domain.errors import GatewayError, IdempotencyInProgress, Overloaded
from ...domain.generation import Progress
from ...domain.idempotency import IdempotencyKey
from ...domain.job import GenerationJob, JobStatus
from ...domain.model import Modality
from ..database.sql import Database, Row, microseconds, time_of
from ..sealing import seal, unseal
from .codec import Told, decode_asked, decode_pieces, decode_told, encode, encode_pieces

RETRY_AFTER_S = 5.0

_COLUMNS = (
    *("id", "owner", "modality", "model", "provider", "session_id", "delivery", "status"),
    *("created_at", "started_at", "ended_at", "sequence", "worker", "told"),
)
_LIST = ", ".join(_COLUMNS)
_AT_WORK = "status IN ('queued', 'running')"
_SELECT = f"SELECT {_LIST} FROM jobs "  # noqa: S608 - names of our own
_ADD = f"""
INSERT INTO jobs (id, owner, modality, model, provider, session_id, delivery, status, created_at, sequence, worker,
    claimed_until, cancelling, idempotency_key, fingerprint, asked, told)
SELECT ?, ?, ?, ?, ?, ?, ?, 'queued', ?, 0, '', 0, 0, ?, ?, ?, ?
WHERE (SELECT count(*) FROM jobs WHERE model = ? AND {_AT_WORK} AND status = 'queued') < ?
ON CONFLICT DO NOTHING RETURNING id"""  # noqa: S608 - names of our own
_OF_KEY = f"SELECT {_LIST}, fingerprint FROM jobs WHERE owner = ? AND idempotency_key = ?"  # noqa: S608 - names of our own
_FREE = f"""
SELECT id FROM jobs AS it
WHERE {_AT_WORK} AND status = 'queued' AND claimed_until <= ? {{but_of}} AND (session_id IS NULL OR NOT EXISTS (
    SELECT 1 FROM jobs AS earlier WHERE earlier.session_id = it.session_id AND earlier.id < it.id AND earlier.{_AT_WORK}
))
ORDER BY id LIMIT 1"""  # noqa: S608 - names of our own
_CLAIM = f"""
UPDATE jobs SET worker = ?, claimed_until = ? WHERE id = ? AND status = 'queued' AND claimed_until <= ?
RETURNING {_LIST}, asked"""  # noqa: S608 - names of our own
_RENEW = f"UPDATE jobs SET claimed_until = ? WHERE worker = ? AND {_AT_WORK} RETURNING id, cancelling"  # noqa: S608 - names of our own
_RELEASE = "UPDATE jobs SET worker = '', claimed_until = ? WHERE id = ? AND worker = ? AND status = 'queued'"
_BEGIN = """
UPDATE jobs SET status = 'running', started_at = ? WHERE id = ? AND worker = ? AND status = 'queued' RETURNING id"""
_END = f"""
UPDATE jobs SET status = ?, started_at = ?, ended_at = ?, sequence = ?, told = ?, asked = NULL
WHERE id = ? AND worker = ? AND {_AT_WORK} RETURNING id"""  # noqa: S608 - names of our own
_TELL = f"""
INSERT INTO job_pieces (job_id, last, passing, pieces)
SELECT id, ?, ?, ? FROM jobs WHERE id = ? AND {_AT_WORK} ON CONFLICT DO NOTHING"""  # noqa: S608 - names of our own
_GIVE_WAY = "DELETE FROM job_pieces WHERE job_id = ? AND passing = 1"
_TOLD = "SELECT last, pieces FROM job_pieces WHERE job_id = ? AND last > ? ORDER BY last LIMIT 100"
_LATEST = "SELECT last, pieces FROM job_pieces WHERE job_id = ? ORDER BY last DESC LIMIT 1"
_FORGET_TOLD = """
DELETE FROM job_pieces WHERE NOT EXISTS (
    SELECT 1 FROM jobs WHERE id = job_id AND (ended_at IS NULL OR ended_at >= ?)
)"""
_FORGET_SESSION = (
    "DELETE FROM job_pieces WHERE job_id IN (SELECT id FROM jobs WHERE session_id = ?)",
    "DELETE FROM jobs WHERE session_id = ? RETURNING id",
)
_CANCEL = f"UPDATE jobs SET cancelling = 1 WHERE id = ? AND {_AT_WORK}"  # noqa: S608 - names of our own
_DISOWN = f"UPDATE jobs SET claimed_until = 0 WHERE {_AT_WORK}"  # noqa: S608 - names of our own
_NUMBERS = f"SELECT status, count(*) FROM jobs WHERE {_AT_WORK} GROUP BY status"  # noqa: S608 - names of our own
_ABANDONED = "WHERE status = 'running' AND claimed_until <= ? ORDER BY id"


class SqlJobStore:
    """Implements `JobStore`."""

    def __init__(self, database: Database, key: bytes, *, alone: bool) -> None:
        """`key` has 32 bytes; `alone` says that no other process uses the database."""
        self._database, self._cipher, self._alone = database, AESGCM(key), alone

    async def add(self, job: GenerationJob, asked: Asked, queue_limit: int) -> None:
        """Queue a job."""
        key = asked.key
        values = (
            *(job.id, job.owner, job.modality.value, job.model, job.provider, job.session_id, job.delivery),
            *(microseconds(job.created_at), key.key if key else None, key.fingerprint if key else None),
            *(self._seal(job.id, "asked", encode(asked)), self._told(job), job.model, queue_limit),
        )
        if not await self._database.run((_ADD, values)):
            if key and await self.of_key(job.owner, key.key):
                raise IdempotencyInProgress(retry_after_s=1)
            raise Overloaded(
                detail=f"{queue_limit} generations wait for model {job.model!r} in the background.",
                retry_after_s=RETRY_AFTER_S,
            )

    async def get(self, job_id: str) -> GenerationJob | None:
        """The job with that id."""
        rows = await self._database.run((_SELECT + "WHERE id = ?", (job_id,)))
        return self._job(rows[0]) if rows else None

    async def of_key(self, owner: str, key: str) -> tuple[GenerationJob, IdempotencyKey] | None:
        """The job that a key stands for."""
        rows = await self._database.run((_OF_KEY, (owner, key)))
        return (self._job(rows[0][:-1]), IdempotencyKey(key=key, fingerprint=rows[0][-1])) if rows else None

    async def claim(
        self, worker: str, now: datetime, until: datetime, *, but_of: Collection[str] = ()
    ) -> tuple[GenerationJob, Asked] | None:
        """Make the next job the worker's."""
        at = microseconds(now)
        left_out = f"AND model NOT IN ({', '.join('?' * len(but_of))})" if but_of else ""
        while found := await self._database.run((_FREE.format(but_of=left_out), (at, *but_of))):
            job_id = found[0][0]
            if rows := await self._database.run((_CLAIM, (worker, microseconds(until), job_id, at))):
                asked = decode_asked(self._unseal(job_id, "asked", rows[0][-1]))
                return self._job(rows[0][:-1]), asked
        return None

    async def renew(self, worker: str, until: datetime) -> Mapping[str, bool]:
        """Go on with the worker's jobs."""
        rows = await self._database.run((_RENEW, (microseconds(until), worker)))
        return {job_id: bool(cancelling) for job_id, cancelling in rows}

    async def release(self, job_id: str, worker: str, until: datetime) -> None:
        """Give a job back."""
        await self._database.run((_RELEASE, (microseconds(until), job_id, worker)))

    async def begin(self, job: GenerationJob) -> bool:
        """Store that it is worked on."""
        return bool(await self._database.run((_BEGIN, (_optional(job.started_at), job.id, job.worker))))

    async def end(self, job: GenerationJob) -> bool:
        """Store how it ended."""
        values = (job.status.value, _optional(job.started_at), _optional(job.ended_at), job.sequence, self._told(job))
        return bool(await self._database.run((_END, (*values, job.id, job.worker))))

    async def tell(self, pieces: Sequence[Numbered]) -> None:
        """Keep more of what a running job gives."""
        *others, last = pieces
        job_id, passing = last.job_id, isinstance(last.piece, Progress)
        rows = [([*others], False), ([last], True)] if passing and others else [([*others, last], passing)]
        sealed = [
            (it[-1].sequence, int(gives_way), self._seal(job_id, _piece(it[-1].sequence), encode_pieces(it)), job_id)
            for it, gives_way in rows
        ]
        await self._database.run((_GIVE_WAY, (job_id,)), *((_TELL, values) for values in sealed))

    async def told(self, job_id: str, after: int) -> Sequence[Numbered]:
        """What was told of a job."""
        rows = await self._database.run((_TOLD, (job_id, after)))
        return [it for row in rows for it in self._pieces(job_id, *row) if it.sequence > after]

    async def latest(self, job_id: str) -> Numbered | None:
        """What was told of a job last."""
        rows = await self._database.run((_LATEST, (job_id,)))
        return self._pieces(job_id, *rows[0])[-1] if rows else None

    async def forget_told(self, before: datetime) -> None:
        """Delete what was told."""
        await self._database.run((_FORGET_TOLD, (microseconds(before),)))

    async def cancel(self, job_id: str) -> None:
        """Ask to stop it."""
        await self._database.run((_CANCEL, (job_id,)))

    async def abandoned(self, now: datetime) -> Sequence[GenerationJob]:
        """The jobs whose worker is gone."""
        return [self._job(row) for row in await self._database.run((_SELECT + _ABANDONED, (microseconds(now),)))]

    async def disown(self) -> None:
        """End every claim."""
        if self._alone:
            await self._database.run((_DISOWN, ()))

    async def waiting_and_running(self) -> tuple[int, int]:
        """How many are queued, and how many run."""
        counted = {JobStatus(status): number for status, number in await self._database.run((_NUMBERS, ()))}
        return counted.get(JobStatus.QUEUED, 0), counted.get(JobStatus.RUNNING, 0)

    async def forget_session(self, session_id: str) -> int:
        """Delete the jobs of a session."""
        return len(await self._database.run(*((statement, (session_id,)) for statement in _FORGET_SESSION)))

    async def forget_ended(self, before: datetime) -> int:
        """Delete old jobs."""
        values = (microseconds(before),)
        return len(await self._database.run(("DELETE FROM jobs WHERE ended_at < ? RETURNING id", values)))

    def _job(self, row: Row) -> GenerationJob:
        it: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
        told = decode_told(self._unseal(it["id"], "told", it.pop("told")))
        times = {name: None if it[name] is None else time_of(it[name]) for name in ("started_at", "ended_at")}
        known = {"status": JobStatus(it["status"]), "modality": Modality(it["modality"])}
        facts = {**it, **times, **known, "created_at": time_of(it["created_at"])}
        return GenerationJob(**facts, metadata=told.metadata, failure=told.failure, result=told.result)

    def _pieces(self, job_id: str, last: int, sealed: bytes) -> list[Numbered]:
        return decode_pieces(self._unseal(job_id, _piece(last), sealed))

    def _told(self, job: GenerationJob) -> bytes:
        told = Told(metadata=job.metadata, failure=job.failure, result=job.result)
        return self._seal(job.id, "told", encode(told))

    def _seal(self, job_id: str, what: str, plain: bytes) -> bytes:
        return seal(self._cipher, plain, f"{job_id} {what}".encode())

    def _unseal(self, job_id: str, what: str, sealed: bytes) -> bytes:
        try:
            return unseal(self._cipher, bytes(sealed), f"{job_id} {what}".encode())
        except InvalidTag as exc:
            raise GatewayError(
                detail=f"Background generation {job_id} cannot be read: this is not its key, or it was altered."
            ) from exc


def _piece(last: int) -> str:
    return f"pieces {last}"


def _optional(time: datetime | None) -> int | None:
    return None if time is None else microseconds(time)
