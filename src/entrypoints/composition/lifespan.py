"""The life of the service: what is opened, mended and looked after while it runs, and closed at the end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from dependency_injector import providers

from ..upkeep.artifacts import being_cleaned_up
from ..upkeep.catalog import being_kept_up, being_kept_within, being_preloaded
from ..upkeep.checkpoints import RegularCheckpoints
from ..upkeep.retention import ScheduledRetention
from ..upkeep.turns import InterruptedTurns
from . import access, jobs, routing, sessions, usage
from .container import Container

if TYPE_CHECKING:
    from ...adapters.runners.ray_serve.host import RayRunners


def _closed_at_the_end(container: Container) -> list[providers.Provider[Any]]:
    """Those that hold something open."""
    opened: list[providers.Provider[Any]] = [container.database, container.artifact_files, container.model_files]
    return [*opened, container.workspaces, container.pictures, container.egress, container.download_place]


@asynccontextmanager
async def running(container: Container) -> AsyncIterator[None]:
    """The life of the service: what was left undone is mended first, and everything is closed at the end."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(container.tracer().close)
        stack.push_async_callback(container.session_store().close)
        for generator in container.generators().values():
            stack.push_async_callback(generator.close)
        every_s = container.settings().audit.checkpoint_every_s
        await stack.enter_async_context(RegularCheckpoints(container.checkpoints()).being_made(every_s))
        for part in _closed_at_the_end(container):
            stack.push_async_callback(part().close)
        stack.push_async_callback(container.access().close)
        await stack.enter_async_context(usage.being_written(container.usage()))
        await stack.enter_async_context(access.being_metered(container.meter(), container.clock()))
        await container.artifact_files().open()
        await stack.enter_async_context(InterruptedTurns(container.sessions()).being_ended())
        await stack.enter_async_context(being_cleaned_up(container.artifacts()))
        await container.catalog().refresh()
        await stack.enter_async_context(
            routing.being_looked_after(
                container.router(), container.remotes(), container.settings().routing.health_every_s
            )
        )
        await stack.enter_async_context(_models_kept_up(container))
        await stack.enter_async_context(container.watch().being_kept())
        for source in container.download_sources().values():
            stack.push_async_callback(source.close)
        await container.download_place().sweep(await container.download_store().keys())
        await stack.enter_async_context(container.download_worker().working())
        retention = ScheduledRetention(container.retention(), container.new_id())
        await stack.enter_async_context(retention.being_carried_out(container.settings().sessions.retention_every_s))
        await stack.enter_async_context(
            jobs.being_worked_on(
                container.job_worker(),
                container.job_store(),
                container.clock(),
                keep_days=container.settings().jobs.keep_days,
                grace_s=container.settings().server.drain_s,
            )
        )
        yield


@asynccontextmanager
async def _models_kept_up(container: Container) -> AsyncIterator[None]:
    settings, catalog = container.settings(), container.catalog()
    shared = sessions.kind(settings) == "postgres"
    every_s = settings.storage.cleanup_every_s
    if settings.runners.host == "ray":
        cast("RayRunners", container.runners()).connect()  # what others have loaded is known before the first request
    async with AsyncExitStack() as stack:
        for context in (
            being_kept_up(catalog, scan_every_s=settings.models.scan_every_s, shared=shared),
            being_preloaded(catalog, container.runners(), settings.models.preload),
            being_kept_within(container.storage(), every_s) if every_s else nullcontext(),
        ):
            await stack.enter_async_context(context)
        yield
