"""What every `AuditTrail` promises; it is run with a session store's contract, as each store keeps a trail."""

import asyncio

from pluggably.application.audit_trail import AuditTrail, RecordedRead
from pluggably.application.ports import Provenance
from pluggably.domain.audit import AuditRead, ReadKind

from ..session_builders import ALICE, at
from .session_store import a_stored_session

ADA = Provenance(actor="ada", method="api_key", request_id="req_a")


def a_read(number: int = 0, **facts) -> AuditRead:
    return AuditRead(**({"what": ReadKind.REPLAY, "session_id": f"ses_{number}", "at": at(number)} | facts))


def expect_chain(entries: list[RecordedRead]) -> None:
    """They are numbered without gaps, and each names the hash of the one before."""
    assert [it.number for it in entries] == list(range(1, len(entries) + 1))
    assert [it.previous_hash for it in entries] == ["", *(it.hash for it in entries)][: len(entries)]
    assert len({it.hash for it in entries}) == len(entries)


async def whole(trail: AuditTrail) -> list[RecordedRead]:
    return list(await trail.entries(limit=1_000))


class AuditTrailContract:
    """Fixtures to provide: `store`, whose trail is empty, and `restart`, which opens it as the next run would."""

    async def test_who_read_what_is_kept_in_its_order(self, store):
        reads = [
            a_read(1, asked={"version": "3", "Grüße": "\x00"}),
            a_read(2, what=ReadKind.EXPORT, session_id=None),
            *(a_read(number, what=what) for number, what in enumerate(ReadKind, 3)),
        ]
        assert await whole(store.trail) == []
        for read in reads:
            await store.trail.record(read, ADA)
        entries = await whole(store.trail)
        assert [(it.read, it.provenance) for it in entries] == [(it, ADA) for it in reads]
        assert all(it.recorded_at.utcoffset() is not None for it in entries)
        expect_chain(entries)

    async def test_the_trail_can_be_read_in_pieces(self, store):
        for number in range(5):
            await store.trail.record(a_read(number), ADA)
        entries = await whole(store.trail)
        assert list(await store.trail.entries(after=1, limit=2)) == entries[1:3]
        assert list(await store.trail.entries(after=4)) == entries[4:]
        assert list(await store.trail.entries(after=5)) == list(await store.trail.entries(after=99)) == []

    async def test_reads_that_are_recorded_at_once_all_have_a_place(self, store):
        session = await a_stored_session(store)
        reads = [a_read(number) for number in range(20)]
        await asyncio.gather(
            *(store.trail.record(it, ADA) for it in reads), *(a_stored_session(store, f"ses_{n}") for n in range(5))
        )
        entries = await whole(store.trail)
        assert sorted(it.read.session_id for it in entries) == sorted(it.session_id for it in reads)
        expect_chain(entries)
        assert await store.load("ses_a") == session

    async def test_a_reader_that_went_away_hinders_nobody_else(self, store):
        tries = [asyncio.create_task(store.trail.record(a_read(number), ADA)) for number in range(6)]
        await asyncio.sleep(0)
        for it in tries[::2]:
            it.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
        await store.trail.record(a_read(9), ADA)
        entries = await whole(store.trail)
        assert {"ses_1", "ses_3", "ses_5", "ses_9"} <= {it.read.session_id for it in entries}
        expect_chain(entries)

    async def test_the_trail_is_no_session(self, store):
        session = await a_stored_session(store, turns=1)
        before = await store.verify("ses_a")
        await store.trail.record(a_read(session_id="ses_a"), ALICE)
        assert (await store.load("ses_a"), await store.verify("ses_a")) == (session, before)
        assert list(await store.active()) == []

    async def test_the_trail_outlives_a_restart(self, store, restart):
        await store.trail.record(a_read(1), ADA)
        entries = await whole(store.trail)
        store = await restart()
        await store.trail.record(a_read(2), ADA)
        assert (await whole(store.trail))[:1] == entries
        expect_chain(await whole(store.trail))
