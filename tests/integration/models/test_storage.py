"""The storage policy over real files: what goes, what stays, and what is told of it."""

import asyncio
import os
from datetime import timedelta

import pytest

from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.fetching import NothingFetched
from pluggably.adapters.memory.local_models import MemoryModelLoader
from pluggably.domain.access import LOCAL_OPERATOR, Principal
from pluggably.domain.errors import InsufficientScope, InsufficientStorage
from pluggably.domain.model import ModelStatus
from pluggably.domain.storage import StoragePolicy
from pluggably.entrypoints.upkeep.catalog import being_kept_within
from tests.model_world import ModelWorld
from tests.session_builders import NOON
from tests.unit.catalog.gguf_file import a_gguf
from tests.unit.catalog.test_folder import put
from tests.unit.domain.test_artifact import an_artifact

SIZE = len(a_gguf())


@pytest.fixture
def root(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
async def world(root, tmp_path):
    database = SqliteDatabase(tmp_path / "gateway.sqlite")
    made = []

    def make(**options):
        made.append(ModelWorld(root, database, **options))
        made[-1].clock.forward(days=36_500)  # files are newer than noon
        return made[-1]

    yield make
    for it in made:
        await it.files.close()
    await database.close()


async def used(here, name, days_ago):
    here.catalog.used(await here.catalog.get(name), here.clock.at - timedelta(days=days_ago))


async def three(here, root):
    """Models `a`, `b` and `c`, used one, two and three days ago."""
    for days_ago, name in enumerate("abc", start=1):
        put(root, f"{name}.gguf")
        await used(here, name, days_ago)


async def test_the_least_recently_used_models_go_until_the_rest_fits(world, root):
    here = world(policy=StoragePolicy(max_bytes=SIZE))
    await three(here, root)
    cleanup = await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)
    assert [(it.kind, it.id, it.reason) for it in cleanup.plan] == [
        ("model", "c", "max_bytes"),
        ("model", "b", "max_bytes"),
    ]
    assert (cleanup.freed_bytes, cleanup.lacking_bytes) == (2 * SIZE, 0)
    assert await here.ids() == ["a"]
    assert [path.name for path in root.iterdir()] == ["a.gguf"]


async def test_a_dry_run_says_the_same_and_does_nothing(world, root):
    here = world(policy=StoragePolicy(max_bytes=SIZE))
    await three(here, root)
    dry = await here.storage.cleanup(LOCAL_OPERATOR, dry_run=True)
    assert await here.ids() == ["a", "b", "c"]
    done = await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)
    assert (dry.plan, dry.freed_bytes, dry.dry_run) == (done.plan, done.freed_bytes, True)


async def test_what_is_pinned_loaded_or_was_used_just_now_stays_and_the_rest_is_said_to_lack(world, root):
    here = world(policy=StoragePolicy(max_bytes=0))
    await three(here, root)
    put(root, "d.gguf")
    await here.change("a", pinned=True)
    here.loader.loaded.add("b")
    await used(here, "d", 0)
    cleanup = await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)
    assert [it.id for it in cleanup.plan] == ["c"]
    assert cleanup.lacking_bytes == 3 * SIZE
    assert await here.ids() == ["a", "b", "d"]


async def test_a_model_that_becomes_busy_meanwhile_is_kept_and_told(world, root):
    here = world(policy=StoragePolicy(max_bytes=0))
    await three(here, root)
    here.catalog.runners = MemoryModelLoader()  # which does not know it yet
    here.loader.busy.add("b")
    cleanup = await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)
    assert [(it.id, it.error.code) for it in cleanup.kept] == [("b", "model_busy")]
    assert (cleanup.freed_bytes, cleanup.lacking_bytes) == (2 * SIZE, SIZE)
    assert await here.ids() == ["b"]


async def test_models_that_nobody_used_for_long_go_and_uses_survive_a_restart(world, root):
    here = world()
    await three(here, root)
    await here.catalog.store_uses()
    later = world(policy=StoragePolicy(keep_unused=timedelta(days=3)))
    cleanup = await later.storage.cleanup(LOCAL_OPERATOR, dry_run=False)
    assert [(it.id, it.reason, it.last_used_at) for it in cleanup.plan] == [
        ("c", "unused_days", here.clock.at - timedelta(days=3))
    ]


async def test_a_model_that_is_older_than_the_folder_counts_from_when_it_came(world, root):
    here = world(policy=StoragePolicy(keep_unused=timedelta(days=30)))
    os.utime(put(root, "Smol.gguf"), (1, 1))
    here.clock.at = (await here.catalog.get("smol")).arrived_at + timedelta(days=29)
    assert (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=True)).plan == ()
    here.clock.forward(days=1)
    assert len((await here.storage.cleanup(LOCAL_OPERATOR, dry_run=True)).plan) == 1


async def test_a_file_that_is_still_being_copied_stays(world, root):
    here = world(policy=StoragePolicy(max_bytes=0))
    put(root, "half.gguf", a_gguf()[:-5])
    here.clock.at = (await here.catalog.get("half")).arrived_at + timedelta(minutes=59)
    assert (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)).plan == ()
    here.clock.forward(minutes=2)
    assert [it.id for it in (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)).plan] == ["half"]


async def test_a_registered_model_that_went_is_known_as_missing(world, root):
    here = world(policy=StoragePolicy(max_bytes=0))
    put(root, "Smol.gguf")
    await here.register(path="Smol.gguf", id_="mine")
    await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)
    assert (await here.catalog.get("mine")).status is ModelStatus.MISSING
    assert (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)).plan == ()


async def test_what_is_no_model_yet_counts_and_so_does_what_downloads_were_promised(world, root):
    here = world(policy=StoragePolicy(max_bytes=3 * SIZE + 150), fetching=NothingFetched(reserved=50))
    await three(here, root)
    put(root, ".work-1/part", b"x" * 100)
    usage = await here.storage.usage(LOCAL_OPERATOR)
    assert (usage.folders.models_bytes, usage.folders.partial_bytes, usage.reserved_bytes) == (3 * SIZE, 100, 50)
    assert (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=True)).plan == ()
    put(root, "leftover.part", b"x")
    assert [it.id for it in (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=True)).plan] == ["c"]


async def test_room_is_made_for_what_comes_or_nothing_is_touched(world, root):
    here = world(policy=StoragePolicy(max_bytes=3 * SIZE))
    await three(here, root)
    with pytest.raises(InsufficientStorage):
        await here.storage.make_room(3 * SIZE + 1)
    assert await here.ids() == ["a", "b", "c"]
    await here.storage.make_room(SIZE + 1)
    assert await here.ids() == ["a"]


async def test_artifacts_whose_time_is_over_go_too(world, root, tmp_path):
    here = world()
    file = tmp_path / "picture"
    file.write_bytes(b"picture")
    content = await here.artifacts.artifacts.workspaces.content(file)
    await here.artifacts.artifacts.files.put(file, content)
    await here.artifacts.artifacts.index.add(an_artifact(content=content, kept_until=NOON))
    dry = await here.storage.cleanup(LOCAL_OPERATOR, dry_run=True)
    assert [(it.kind, it.reason, it.size_bytes) for it in dry.plan] == [("artifact", "expired", 7)]
    assert (await here.storage.cleanup(LOCAL_OPERATOR, dry_run=False)).freed_bytes == 7
    usage = await here.storage.usage(LOCAL_OPERATOR)
    assert (usage.artifacts.count, usage.artifacts.size_bytes) == (0, 0)


async def test_what_is_shipped_with_the_package_or_runs_elsewhere_is_no_storage(world, root):
    here = world(policy=StoragePolicy(max_bytes=0))
    usage = await here.storage.usage(LOCAL_OPERATOR)
    assert (usage.models, usage.folders.models_bytes, usage.reclaimable_bytes) == (0, 0, 0)
    assert usage.folders.total_bytes > usage.folders.free_bytes > 0


async def test_cleaning_up_needs_the_right_to_administer_models(world):
    reader = Principal(id="reader", method="key")
    with pytest.raises(InsufficientScope):
        await world().storage.cleanup(reader, dry_run=True)
    with pytest.raises(InsufficientScope):
        await world().storage.usage(reader)


async def test_the_policy_is_carried_out_while_the_service_runs(world, root):
    here = world(policy=StoragePolicy(max_bytes=0))
    await three(here, root)
    async with asyncio.timeout(20), being_kept_within(here.storage, 0.01):
        while await here.ids():
            await here.registry.revision()
    assert list(root.iterdir()) == []
