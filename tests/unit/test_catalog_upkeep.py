"""What is done for the catalog while the service runs."""

import asyncio

from pluggably.adapters.memory.local_models import MemoryModelLoader
from pluggably.adapters.memory.models import ListedModels
from pluggably.adapters.memory.registry import MemoryModelRegistry, MemoryModelUses
from pluggably.application.catalog import Catalog
from pluggably.domain.errors import StoreUnavailable
from pluggably.domain.model import ModelStatus
from pluggably.entrypoints.upkeep.catalog import FolderWatch, being_kept_up, being_preloaded
from tests.builders import a_model
from tests.session_builders import NOON


def a_catalog(*models, **facts):
    return Catalog(sources=[ListedModels(models)], runners=MemoryModelLoader(), **facts)


async def test_models_are_preloaded_in_order_and_one_that_cannot_be_does_not_stop_the_others():
    broken = a_model("half", status=ModelStatus.INCOMPLETE, reason="its end is missing")
    loader, last = MemoryModelLoader(), asyncio.Event()

    class Noting(MemoryModelLoader):
        async def load(self, model):
            if model.id == "strange":
                raise RuntimeError("Nobody thought of this.")
            await loader.load(model)
            if model.id == "two":
                last.set()

    catalog = a_catalog(a_model("one"), broken, a_model("strange"), a_model("two"))
    async with being_preloaded(catalog, Noting(), ["half", "no", "one", "strange", "two"]):
        await asyncio.wait_for(last.wait(), 5)
    assert loader.loaded == {"one", "two"}


async def test_uses_are_stored_when_the_service_ends():
    uses = MemoryModelUses()
    catalog = a_catalog(model := a_model("one"), uses=uses)
    await catalog.refresh()
    async with being_kept_up(catalog, scan_every_s=0, shared=False):
        catalog.used(model, NOON)
        catalog.used(a_model("acme/only-allowed"), NOON)
        assert await uses.all() == {}
    assert await uses.all() == {"one": NOON}


async def test_uses_that_could_not_be_stored_are_stored_the_next_time():
    class Away(MemoryModelUses):
        away = True

        async def note(self, uses):
            if self.away:
                raise StoreUnavailable
            await super().note(uses)

    uses = Away()
    catalog = a_catalog(model := a_model("one"), uses=uses)
    await catalog.refresh()
    async with being_kept_up(catalog, scan_every_s=0, shared=False):
        catalog.used(model, NOON)
        try:
            await catalog.store_uses()
        except StoreUnavailable:
            uses.away = False
    assert await uses.all() == {"one": NOON}


async def test_a_registry_that_has_not_changed_costs_no_second_look():
    class Counted(ListedModels):
        looks = 0

        async def models(self):
            self.looks += 1
            return await super().models()

    source, registry = Counted([a_model("one")]), MemoryModelRegistry()
    catalog = Catalog(sources=[source], runners=MemoryModelLoader(), registry=registry)
    await catalog.refresh()
    for _ in range(3):
        await catalog.follow()
    assert source.looks == 1


async def test_folders_that_take_long_to_look_through_are_looked_through_less_often():
    class Slow(ListedModels):
        looks = 0

        async def models(self):
            self.looks += 1
            end = asyncio.get_running_loop().time() + 0.05
            while asyncio.get_running_loop().time() < end:
                pass
            return []

    source = Slow([])
    watch = FolderWatch(Catalog(sources=[source], runners=MemoryModelLoader()))
    for _ in range(5):
        await watch.look()
    assert source.looks == 2  # the catalog's first, and the watch's


async def test_while_the_registry_is_away_what_is_known_stays_so():
    class Away(MemoryModelRegistry):
        away = False

        async def read(self):
            if self.away:
                raise StoreUnavailable
            return await super().read()

    registry = Away()
    catalog = a_catalog(a_model("one"), registry=registry)
    await catalog.refresh()
    registry.away = True
    async with being_kept_up(catalog, scan_every_s=0.001, shared=True, follow_s=0.001):
        assert [it.id for it in await catalog.list()] == ["one"]
