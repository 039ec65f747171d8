"""What is done for the catalog while the service runs: folders are watched, other gateways followed, uses stored."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic

import structlog
from attrs import define, field

from ...application.catalog import Catalog
from ...application.model_ports import ModelLoader
from ...application.storage import Storage
from ...domain.errors import GatewayError
from .periodic import repeated

FOLLOW_S = 0.5
"""Within twice this time a gateway knows what another one of the same database was told."""

STORE_USES_S = 60.0
IDLE_SHARE = 50
"""After a look at the folders there is none for so many times as long as it took."""

_log = structlog.get_logger()


@asynccontextmanager
async def being_kept_up(
    catalog: Catalog, *, scan_every_s: float, shared: bool, follow_s: float = FOLLOW_S
) -> AsyncIterator[None]:
    """Keep the catalog up to date until the context is left; with `shared`, others may change the registry too."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_store_last_uses, catalog)
        if scan_every_s:
            watch = FolderWatch(catalog)
            await stack.enter_async_context(repeated(watch.look, scan_every_s, failed="models.scan_failed"))
        if shared:
            await stack.enter_async_context(repeated(catalog.follow, follow_s, failed="models.follow_failed"))
        await stack.enter_async_context(repeated(catalog.store_uses, STORE_USES_S, failed="models.uses_not_stored"))
        yield


@define
class FolderWatch:
    """Looks through the folders, off the event loop, and logs what came and went."""

    catalog: Catalog
    _not_before: float = field(init=False, default=0.0)

    async def look(self) -> None:
        """Look once, unless the last look took so long that this would be too soon."""
        begun = monotonic()
        if begun < self._not_before:
            return
        before = {model.id for model in await self.catalog.list()}
        await self.catalog.refresh()
        self._not_before = monotonic() + IDLE_SHARE * (monotonic() - begun)
        after = {model.id for model in await self.catalog.list()}
        if before != after:
            _log.info("models.changed", added=sorted(after - before), removed=sorted(before - after))


@asynccontextmanager
async def being_preloaded(catalog: Catalog, loader: ModelLoader, names: Sequence[str]) -> AsyncIterator[None]:
    """Load these models one after the other, while the service already answers."""
    task = asyncio.create_task(_preload(catalog, loader, names))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def being_kept_within(storage: Storage, every_s: float) -> AsyncIterator[None]:
    """Carry out the storage policy again and again until the context is left."""

    async def clean_up() -> None:
        done = await storage.run(dry_run=False)
        gone = [it for it in done.plan if it.kind == "model" and it.id not in {kept.id for kept in done.kept}]
        for it in gone:
            _log.info("model.evicted", model=it.id, size_bytes=it.size_bytes, reason=it.reason)
        if done.lacking_bytes:
            _log.warning("storage.over_limit", lacking_bytes=done.lacking_bytes)

    async with repeated(clean_up, every_s, failed="storage.cleanup_failed"):
        yield


async def _preload(catalog: Catalog, loader: ModelLoader, names: Sequence[str]) -> None:
    for name in names:
        try:
            model = await catalog.get(name)
            await loader.load(await catalog.resolve(model.id, model.modality))
        except GatewayError as error:
            _log.warning("model.not_preloaded", model=name, code=error.code, error=str(error))
        except Exception as error:  # the others are loaded all the same, and nobody waits for this
            _log.error("model.not_preloaded", model=name, exc_info=error)


async def _store_last_uses(catalog: Catalog) -> None:
    with suppress(GatewayError):  # they only help to choose what goes
        await catalog.store_uses()
