"""Checkpoints go on from each other, are kept in both places, and are not made from what somebody has altered."""

import asyncio
import shutil

import pytest
from attrs import evolve

from pluggably.domain.errors import GatewayError
from pluggably.domain.merkle import CompactRange, TreeHead

from ...contracts.session_store import a_stored_session
from .logs import CHECKPOINTS, Log, a_log


@pytest.fixture(params=["sqlite", "postgres"])
async def log(request, tmp_path):
    log = Log(tmp_path, request.getfixturevalue("database") if request.param == "postgres" else None)
    yield await a_log(log)
    await log.store.close()


async def sizes(log: Log) -> list[int]:
    return [it.size for it in await log.checkpoints.page(before=None, limit=100)]


def copied(log: Log) -> list[int]:
    return [log.notes.read(it).size for it in log.second_place.notes()]


async def test_a_checkpoint_signs_the_root_over_all_hashes_and_is_kept_in_both_places(log):
    made = await log.checkpoints.make()
    hashes = [row[0][:32] for row in log.run("SELECT state FROM stored_events ORDER BY notification_id")]
    assert log.notes.read(made.note) == CompactRange().extended(hashes).head()
    assert [made] == await log.checkpoints.page(before=None, limit=1)
    assert list(log.second_place.notes())[-1] == made.note
    assert copied(log) == [*CHECKPOINTS, 19]


async def test_they_are_listed_the_latest_first(log):
    assert await sizes(log) == [16, 14, 7]
    assert [it.size for it in await log.checkpoints.page(before=16, limit=1)] == [14]


async def test_a_log_that_has_not_grown_gets_no_other(log):
    await log.checkpoints.make()
    assert await log.checkpoints.make() is None
    assert await sizes(log) == [19, 16, 14, 7]


@pytest.mark.parametrize("size", [16, 15])
async def test_one_that_comes_after_a_larger_one_is_not_kept(log, size):
    """The second place, which only grows at its end, would never get it."""
    (latest,) = await log.checkpoints.page(before=None, limit=1)
    assert not await log.store.log.add(evolve(latest, size=size))
    assert await sizes(log) == [16, 14, 7]


async def test_gaps_that_rolled_back_appends_left_are_passed_over(database, tmp_path):
    log = await a_log(Log(tmp_path, database))
    await log.checkpoints.make()
    for number, gap in enumerate((1, 1_999, 2_000, 2_001, 100_000)):
        log.run("SELECT setval(pg_get_serial_sequence('stored_events', 'notification_id'), max(notification_id) + ?) "
                "FROM stored_events", gap)  # fmt: skip
        await a_stored_session(log.store, f"ses_{number}")
        assert (await log.checkpoints.make()).size == 20 + number
    found = await log.verify()
    assert (found.fault, found.events, found.checkpoints, found.uncovered) == (None, 24, 9, 0)
    await log.store.close()


async def test_what_a_process_that_died_had_not_copied_is_copied_by_the_next(log):
    log.file.write_text(log.file.read_text().partition("\n\n— ")[0])  # amid its first note
    assert (await log.checkpoints.make()).size == 19
    assert copied(log) == [*CHECKPOINTS, 19]
    log.file.unlink()
    assert await log.checkpoints.make() is None
    assert copied(log) == [*CHECKPOINTS, 19]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE log_checkpoints SET note = replace(note, '16', '61') WHERE size = 16",
        "UPDATE log_checkpoints SET size = 17 WHERE size = 16",
        "UPDATE log_checkpoints SET subtrees = (SELECT subtrees FROM log_checkpoints WHERE size = 14) WHERE size = 16",
        "DELETE FROM log_checkpoints WHERE size = 16",
        "DELETE FROM log_checkpoints",
    ],
)
async def test_nothing_is_signed_on_top_of_what_was_altered_in_the_database(log, spoil):
    log.run(spoil)
    before = await sizes(log)
    with pytest.raises(GatewayError, match="no other is made"):
        await log.checkpoints.make()
    assert (await sizes(log), copied(log)) == (before, [*CHECKPOINTS])


async def test_nothing_is_signed_on_top_of_what_was_altered_in_the_second_place(log):
    *_, last = log.second_place.notes()
    for instead in (last.replace("16", "61"), log.notes.sign(TreeHead(16, bytes(32)))):
        log.file.write_text(log.file.read_text().replace(last, instead))
        with pytest.raises(GatewayError, match="no other is made"):
            await log.checkpoints.make()
        assert await sizes(log) == [16, 14, 7]
        log.file.write_text(log.file.read_text().replace(instead, last))
    assert (await log.checkpoints.make()).size == 19


async def test_nothing_is_signed_while_the_second_place_cannot_be_written(log, tmp_path):
    shutil.move(tmp_path / "audit", tmp_path / "away")
    (tmp_path / "audit").write_text("in the way")
    with pytest.raises(GatewayError, match=r"see to audit\.checkpoints_folder"):
        await log.checkpoints.make()
    (tmp_path / "audit").unlink()
    shutil.move(tmp_path / "away", tmp_path / "audit")
    await log.checkpoints.make()
    assert copied(log) == [*CHECKPOINTS, 19]


async def test_hosts_with_different_signing_keys_do_not_go_on_from_each_other(log, tmp_path):
    await log.store.close()
    (tmp_path / "signing.key").unlink()
    other = Log(tmp_path, log.database)
    with pytest.raises(GatewayError, match="same signing key"):
        await other.checkpoints.make()
    fault = (await other.verify()).fault
    assert (fault.checkpoint, fault.kept_in) == (None, "second_place")
    log.file.unlink()
    fault = (await other.verify()).fault
    assert (fault.checkpoint, fault.kept_in) == (7, "database")
    await other.store.close()


async def test_many_processes_on_one_database_do_not_contradict_each_other(database, tmp_path):
    (tmp_path / "a").mkdir()
    first = Log(tmp_path / "a", database)
    await a_log(first)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    hosts = [first, Log(tmp_path / "b", database), Log(tmp_path / "b", database, second_place=tmp_path / "a" / "audit")]
    rounds = 6
    for number in range(rounds):
        await asyncio.gather(
            *(a_stored_session(host.store, f"ses_{number}_{at}", turns=1) for at, host in enumerate(hosts)),
            *(host.checkpoints.make() for host in hosts),
            *(host.checkpoints.make() for host in reversed(hosts)),
        )
        assert (await hosts[number % 3].verify()).fault is None
    for host in hosts:
        await host.checkpoints.make()
    for host in hosts:
        found = await host.verify()
        assert (found.fault, found.events, found.uncovered, found.uncopied) == (None, 19 + 9 * rounds, 0, 0)
        assert found.checkpoints == len(copied(host)) > rounds
        await host.store.close()
