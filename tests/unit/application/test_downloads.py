"""Downloads as their clients see them, over real files and a source in memory."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from pluggably.adapters.downloads.budget import FreeDisk
from pluggably.adapters.memory.downloads import MemoryDownloadStore, MemorySource
from pluggably.adapters.memory.fetcher import MemoryFetcher
from pluggably.domain.access import LOCAL_OPERATOR, Principal, Scope
from pluggably.domain.discovery import SourceNote
from pluggably.domain.download import DownloadStatus, WantedModel
from pluggably.domain.errors import (
    DownloadStateConflict,
    GatewayError,
    InsufficientScope,
    InsufficientStorage,
    InvalidRequest,
    NotFound,
    SourceUnreachable,
    UnsafeFile,
)
from tests.download_world import GGUF, SHELF, DownloadWorld
from tests.session_builders import NOON

WHOLE = ["tiny/config.json", "tiny/tiny.gguf", "tiny/tiny.gguf.source.json"]


class Gate(MemorySource):
    """A source that gives the first half of a file, and the rest when it is opened."""

    def __init__(self) -> None:
        super().__init__({"tiny": {"tiny.gguf": GGUF}})
        self.opening, self.asked = asyncio.Event(), asyncio.Event()

    def open(self, file, start, stop):
        return _Gated(super().open(file, start, stop), self, file.size_bytes)


class _Gated:
    def __init__(self, inner, gate, size):
        self.inner, self.gate, self.size = inner, gate, size

    async def __aenter__(self):
        opened = await self.inner.__aenter__()
        return evolve(opened, chunks=self.chunks(opened.chunks))

    async def chunks(self, inner):
        done = 0
        async for chunk in inner:
            if (done := done + len(chunk)) > self.size // 2:
                self.gate.asked.set()
                await self.gate.opening.wait()
            yield chunk

    async def __aexit__(self, *error):
        return await self.inner.__aexit__(*error)


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


@pytest.fixture
async def world(models):
    async with DownloadWorld(models).working() as world:
        yield world


@pytest.fixture
async def gated(models):
    gate = Gate()
    async with DownloadWorld(models, [gate]).working() as world:
        world.gate = gate
        yield world
        gate.opening.set()


async def test_a_model_comes_with_a_note_of_where_it_is_from(world):
    job = await world.fetched()
    assert (job.status, job.percent, job.model_ids) == ("completed", 100.0, ("tiny",))
    assert world.visible == WHOLE
    assert (world.models / "tiny/tiny.gguf").read_bytes() == GGUF
    note = SourceNote.from_json((world.models / "tiny/tiny.gguf.source.json").read_bytes())
    assert (note.source, note.size_bytes, note.files) == ("memory:tiny", len(GGUF), 1)
    assert world.partial == []


async def test_only_what_is_included_comes(world):
    await world.fetched(include=("*.json",))
    assert world.visible == ["tiny/config.json"]


async def test_the_folder_is_called_as_the_model_shall_be(world):
    await world.fetched(model=WantedModel(id="my-model"))
    assert world.visible[0].startswith("my-model/")


async def test_what_is_here_is_not_fetched_again(models):
    source = MemorySource(SHELF)
    async with DownloadWorld(models, [source]).working() as world:
        await world.fetched()
        source.opened.clear()
        assert (await world.fetched()).status is DownloadStatus.COMPLETED
    assert source.opened == []
    assert world.visible == WHOLE


async def test_another_model_of_the_same_name_and_size_gets_a_folder_of_its_own(models):
    other = {"tiny": {"tiny.gguf": GGUF[:-1] + b"!", "config.json": b"{}"}}
    async with DownloadWorld(models).working() as world:
        await world.fetched()
    async with DownloadWorld(models, [MemorySource(other)]).working() as world:
        job = await world.fetched()
    assert (models / "tiny/tiny.gguf").read_bytes() == GGUF
    assert (models / f"tiny-{job.key[:8]}/tiny.gguf").read_bytes() == other["tiny"]["tiny.gguf"]


async def test_the_same_is_fetched_once_however_often_it_is_asked_for(gated):
    jobs = await asyncio.gather(*(gated.create() for _ in range(5)))
    assert len({job.id for job in jobs}) == 1
    gated.gate.opening.set()
    await gated.ended(jobs[0])
    assert [it[1:] for it in gated.gate.opened] == [(0, len(GGUF))]


async def test_a_paused_download_goes_on_from_what_is_here(gated):
    job = await gated.create()
    await gated.gate.asked.wait()
    paused = await gated.downloads.pause(job.id, LOCAL_OPERATOR)
    assert paused.status is DownloadStatus.PAUSED
    assert (await gated.downloads.get(job.id, LOCAL_OPERATOR)).bytes_done > 0
    gated.gate.opening.set()
    await gated.downloads.resume(job.id, LOCAL_OPERATOR)
    assert (await gated.ended(job)).status is DownloadStatus.COMPLETED
    (_, first, _), (_, second, _) = gated.gate.opened
    assert first == 0
    assert second >= len(GGUF) // 2 - 4_096
    assert (gated.models / "tiny/tiny.gguf").read_bytes() == GGUF


async def test_asking_for_what_is_paused_lets_it_go_on(gated):
    job = await gated.create()
    await gated.downloads.pause(job.id, LOCAL_OPERATOR)
    gated.gate.opening.set()
    assert (await gated.create()).id == job.id
    assert (await gated.ended(job)).status is DownloadStatus.COMPLETED


async def test_a_cancelled_download_leaves_nothing(gated):
    job = await gated.create()
    await gated.gate.asked.wait()
    assert gated.partial
    cancelled = await gated.downloads.cancel(job.id, LOCAL_OPERATOR)
    assert cancelled.status is DownloadStatus.CANCELLED
    assert (gated.visible, gated.partial) == ([], [])
    with pytest.raises(DownloadStateConflict):
        await gated.downloads.resume(job.id, LOCAL_OPERATOR)


async def test_a_paused_download_can_be_cancelled_and_leaves_nothing(gated):
    job = await gated.create()
    await gated.gate.asked.wait()
    await gated.downloads.pause(job.id, LOCAL_OPERATOR)
    assert gated.partial
    await gated.downloads.cancel(job.id, LOCAL_OPERATOR)
    assert gated.partial == []


async def test_to_delete_a_download_ends_it_but_leaves_a_model_that_is_complete(gated):
    job = await gated.create()
    await gated.gate.asked.wait()
    await gated.downloads.delete(job.id, LOCAL_OPERATOR)
    assert gated.partial == []
    with pytest.raises(NotFound):
        await gated.downloads.get(job.id, LOCAL_OPERATOR)
    gated.gate.opening.set()
    again = await gated.fetched()
    await gated.downloads.delete(again.id, LOCAL_OPERATOR)
    assert "tiny/tiny.gguf" in gated.visible


async def test_a_process_that_stops_leaves_its_downloads_to_the_next_one(models):
    store, gate = MemoryDownloadStore(), Gate()
    first = DownloadWorld(models, [gate], store=store)
    async with first.working():
        job = await first.create()
        await gate.asked.wait()
    assert (await store.get(job.id)).status is DownloadStatus.QUEUED
    gate.opening.set()
    second = DownloadWorld(models, [gate], store=store, name="two")
    async with second.working():
        assert (await second.ended(job)).status is DownloadStatus.COMPLETED
    assert gate.opened[-1][1] >= len(GGUF) // 2 - 4_096


async def test_another_process_pauses_and_cancels_what_one_works_on(models):
    store, gate = MemoryDownloadStore(), Gate()
    here, there = (DownloadWorld(models, [gate], store=store, name=name) for name in ("here", "there"))
    async with here.working():
        job = await here.create()
        await gate.asked.wait()
        await there.downloads.pause(job.id, LOCAL_OPERATOR)
        while job.id in here.worker.at_work:
            await asyncio.sleep(0.005)
        await there.downloads.resume(job.id, LOCAL_OPERATOR)
        await here.until(job, lambda it: it.status is DownloadStatus.RUNNING)
        await there.downloads.cancel(job.id, LOCAL_OPERATOR)
        while job.id in here.worker.at_work:
            await asyncio.sleep(0.005)
        assert here.partial == []
    await there.place.close()


async def test_a_download_whose_process_died_is_gone_on_with_when_its_lease_is_over(models):
    store, gate, time = MemoryDownloadStore(), Gate(), [NOON]
    dead = DownloadWorld(models, [gate], store=store, clock=lambda: time[0])
    job = await dead.create()
    await store.claim(dead.worker.lease(), NOON)
    gate.opening.set()
    async with DownloadWorld(models, [gate], store=store, name="two", clock=lambda: time[0]).working() as world:
        await asyncio.sleep(0.2)
        assert (await store.get(job.id)).bytes_done == 0
        time[0] = NOON + timedelta(seconds=11)
        assert (await world.ended(job)).status is DownloadStatus.COMPLETED
    await dead.place.close()


async def test_the_only_process_takes_over_at_once_what_a_former_one_left(models):
    store, gate = MemoryDownloadStore(), Gate()
    dead = DownloadWorld(models, [gate], store=store, clock=lambda: NOON)
    job = await dead.create()
    await store.claim(dead.worker.lease(), NOON)
    gate.opening.set()
    alone = DownloadWorld(models, [gate], store=store, name="two", clock=lambda: NOON, alone=True)
    async with alone.working():
        assert (await alone.ended(job)).status is DownloadStatus.COMPLETED
    await dead.place.close()


async def test_a_worker_goes_on_after_an_error_that_nobody_thought_of_and_says_so(models, caplog):
    class Damaged(MemoryDownloadStore):
        failures = 1

        async def claim(self, lease, at):
            if self.failures:
                self.failures -= 1
                raise TypeError("what is stored is no download")
            return await super().claim(lease, at)

    async with asyncio.timeout(20), DownloadWorld(models, store=Damaged()).working() as world:
        assert (await world.fetched()).status is DownloadStatus.COMPLETED
    assert "looking for downloads failed" in caplog.text


async def test_what_does_not_fit_on_the_disk_is_refused_before_the_first_byte(models):
    source = MemorySource(SHELF)
    async with DownloadWorld(models, [source], budget=FreeDisk(models.parent, 2**60)).working() as world:
        with pytest.raises(InsufficientStorage, match="bytes"):
            await world.create()
        assert await world.downloads.list(LOCAL_OPERATOR, limit=5) == []
    assert (source.opened, list(models.rglob("*"))) == ([], [])


async def test_a_disk_that_fills_up_ends_the_download_and_is_clean_again(models):
    class Filling:
        full = False

        async def reserve(self, key, size_bytes):
            if self.full:
                raise InsufficientStorage(detail="The disk is full.")

        async def release(self, key):
            """Nothing was set aside."""

    gate, budget = Gate(), Filling()
    async with DownloadWorld(models, [gate], budget=budget).working() as world:
        job = await world.create()
        await gate.asked.wait()
        budget.full = True
        ended = await world.ended(job)
        assert (ended.status, ended.failure.code) == ("failed", "insufficient_storage")
        await world.worker.stop(job.id)
        assert (world.visible, world.partial) == ([], [])


async def test_what_two_downloads_need_together_must_be_there(models):
    needed = len(GGUF) + 2
    shelf = {"a": {"a.gguf": GGUF}, "b": {"b.gguf": GGUF[:-1] + b"!"}}
    budget = FreeDisk(models.parent, 0)
    room = [needed + 100]
    budget.free_bytes = lambda folder: room[0]
    gate = Gate()
    gate.shelf = shelf
    async with DownloadWorld(models, [gate], budget=budget).working() as world:
        first = await world.create("memory:a")
        await gate.asked.wait()
        with pytest.raises(InsufficientStorage):
            await world.create("memory:b")
        await world.downloads.cancel(first.id, LOCAL_OPERATOR)
        gate.opening.set()
        assert (await world.fetched("memory:b")).status is DownloadStatus.COMPLETED


async def test_a_failed_download_says_why_and_can_go_on(models):
    class Failing(MemorySource):
        failing = True

        def open(self, file, start, stop):
            if self.failing:
                raise SourceUnreachable(detail="Nobody there.")
            return super().open(file, start, stop)

    source = Failing(SHELF)
    async with DownloadWorld(models, [source]).working() as world:
        failed = await world.fetched()
        assert (failed.status, failed.failure.code, failed.failure.detail) == (
            *("failed", "source_unreachable", "Nobody there."),
        )
        assert world.visible == []
        source.failing = False
        await world.downloads.resume(failed.id, LOCAL_OPERATOR)
        assert (await world.ended(await world.store.get(failed.id))).status is DownloadStatus.COMPLETED


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"source": "ftp://host/a"}, InvalidRequest),
        ({"source": ""}, InvalidRequest),
        ({"source": "memory:"}, InvalidRequest),
        ({"source": "memory:none"}, NotFound),
        ({"source": "memory:tiny", "include": ("*.onnx",)}, NotFound),
        ({"source": "memory:tiny", "sha256": {"other.gguf": "0" * 64}}, InvalidRequest),
        ({"source": "memory:evil"}, UnsafeFile),
        ({"source": "memory:twice"}, UnsafeFile),
        ({"source": "memory:pickled", "include": ("*",)}, UnsafeFile),
    ],
)
async def test_what_cannot_be_is_refused_at_once(models, request_, error):
    twice = {"a.gguf": GGUF, "A.gguf": GGUF}
    shelf = SHELF | {"twice": twice, "evil": {"/etc/evil.gguf": GGUF}, "pickled": {"model.bin": b"x"}}
    async with DownloadWorld(models, [MemorySource(shelf)]).working() as world:
        with pytest.raises(error):
            await world.create(**request_)
    assert world.visible == []


async def test_a_pickle_under_another_name_is_not_brought_here(models):
    shelf = {"tiny": {"config.json": b"\x80\x04\x95\x10" + bytes(600), "tiny.gguf": GGUF}}
    async with DownloadWorld(models, [MemorySource(shelf)]).working() as world:
        job = await world.fetched()
        assert (job.status, job.failure.code) == ("failed", "unsafe_file")
        await world.worker.stop(job.id)
        assert (world.visible, world.partial) == ([], [])


async def test_what_is_not_what_the_client_expects_is_not_kept(world):
    job = await world.fetched(sha256={"tiny.gguf": "0" * 64})
    assert (job.status, job.failure.code) == ("failed", "checksum_mismatch")
    assert world.visible == []
    assert "0.part" not in world.partial


async def test_packages_come_as_a_whole(models):
    fetcher = MemoryFetcher(models, {"tiny.gguf": GGUF}, scheme="package")
    async with DownloadWorld(models, fetchers=[fetcher]).working() as world:
        job = await world.fetched("package:tiny.gguf")
        assert (job.status, job.bytes_done, job.model_ids) == ("completed", len(GGUF), ("package:tiny.gguf",))
        assert world.visible == ["tiny.gguf"]
        with pytest.raises(InvalidRequest):
            await world.create("package:tiny.gguf", include=("*",))


async def test_a_package_that_does_not_fit_is_given_up_before_it_comes(models):
    fetcher, budget = MemoryFetcher(models, {"tiny.gguf": GGUF}, scheme="package"), FreeDisk(models.parent, 0)
    budget.free_bytes = lambda folder: len(GGUF) - 1
    async with DownloadWorld(models, fetchers=[fetcher], budget=budget, beat_s=3_600).working() as world:
        job = await world.fetched("package:tiny.gguf")
        assert (job.status, job.failure.code) == ("failed", "insufficient_storage")
        assert (world.visible, budget.reserved_bytes()) == ([], 0)


async def test_of_several_models_none_can_be_the_one_that_is_wanted(models):
    source = MemorySource({"two": {"a-Q8_0.gguf": GGUF, "a-F16.gguf": GGUF, "mmproj-a.gguf": GGUF}})
    async with DownloadWorld(models, [source]).working() as world:
        with pytest.raises(InvalidRequest) as refused:
            await world.create("memory:two", model=WantedModel(id="mine"))
        assert refused.value.violations[0].allowed == ("a-F16.gguf", "a-Q8_0.gguf")
        assert source.opened == []
        wanted = await world.fetched("memory:two", model=WantedModel(id="mine"), include=("a-F16.gguf", "mmproj*"))
        assert wanted.status is DownloadStatus.COMPLETED


async def test_what_was_set_aside_is_not_any_more_when_the_end_cannot_be_stored(models):
    class Away(MemoryDownloadStore):
        away = False

        async def save(self, job, lease=None):
            if self.away:
                raise GatewayError(detail="The database is away.")
            return await super().save(job, lease)

    gate, store, budget = Gate(), Away(), FreeDisk(models.parent, 0)
    async with DownloadWorld(models, [gate], store=store, budget=budget).working() as world:
        job = await world.create()
        await gate.asked.wait()
        assert budget.reserved_bytes() > 0
        store.away = True
        gate.opening.set()
        while job.id in world.worker.at_work:
            await world.worker.changed(job.id, 1)
        assert budget.reserved_bytes() == 0
        store.away = False


async def test_following_begins_where_a_client_left_off(world):
    job = await world.fetched()
    changes = await world.downloads.follow(job.id, LOCAL_OPERATOR, after=job.version, idle_s=5)
    assert [it async for it in changes] == []
    changes = await world.downloads.follow(job.id, LOCAL_OPERATOR, after=job.version - 1, idle_s=5)
    assert [it async for it in changes] == [job]


async def test_whoever_follows_hears_something_while_nothing_happens(gated):
    job = await gated.create()
    await gated.gate.asked.wait()
    await gated.downloads.pause(job.id, LOCAL_OPERATOR)
    paused = await gated.store.get(job.id)
    changes = await gated.downloads.follow(job.id, LOCAL_OPERATOR, after=paused.version + 1, idle_s=0.01)
    assert await anext(changes) is None
    await changes.aclose()


async def test_only_those_who_may_change_models_begin_and_end_downloads(world):
    reader = Principal(id="r", method="test", scopes=frozenset({Scope.MODELS_READ}))
    job = await world.fetched()
    assert (await world.downloads.get(job.id, reader)).id == job.id
    for verb in (world.downloads.pause, world.downloads.cancel, world.downloads.delete):
        with pytest.raises(InsufficientScope):
            await verb(job.id, reader)
    stranger = Principal(id="s", method="test")
    with pytest.raises(InsufficientScope):
        await world.downloads.get(job.id, stranger)


async def test_whoever_can_make_room_is_asked_before_the_first_byte(models):
    asked = []

    async def make_room(needed_bytes):
        asked.append(needed_bytes)
        if len(asked) > 1:
            raise InsufficientStorage(detail="Nothing may go.")

    shelf = {"a": {"a.gguf": GGUF}, "b": {"b.gguf": GGUF[:-1] + b"!"}}
    budget = FreeDisk(models, 0, make_room)
    async with DownloadWorld(models, [MemorySource(shelf)], budget=budget).working() as world:
        await world.fetched("memory:a")
        with pytest.raises(InsufficientStorage, match="Nothing may go"):
            await world.create("memory:b")
    assert asked == [len(GGUF), len(GGUF)]
    assert budget.reserved_bytes() == 0
