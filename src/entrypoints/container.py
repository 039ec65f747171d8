"""The composition root: which adapter stands behind which port. Nothing else names a concrete adapter.

Adapters are imported when they are first built, so that a command that needs no database opens none, and no process
but an engine's own ever loads torch. Nothing is built by importing this file.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from dependency_injector import containers, providers

from ..adapters.system import IdSequence, new_state_token, now
from ..application.artifact_links import ArtifactLinks
from ..application.artifacts import Artifacts
from ..application.audit import Exports
from ..application.audit_trail import ReadRecorder
from ..application.catalog import Catalog
from ..application.checkpoints import Checkpoints
from ..application.claims import Claims
from ..application.download_worker import DownloadWorker
from ..application.downloads import Downloads
from ..application.erasure import Eraser
from ..application.generate import Generate
from ..application.imports import Imports
from ..application.input_files import InputFiles
from ..application.job_worker import JobWorker
from ..application.jobs import Jobs
from ..application.keys import Keys
from ..application.log_check import LogCheck
from ..application.log_reads import LogReads
from ..application.media import Media
from ..application.metering import Metering
from ..application.reads import Reads
from ..application.registrations import Registrations
from ..application.retention import Retention
from ..application.sessions import Sessions
from ..application.state_tokens import StateTokens
from ..application.storage import Storage
from ..application.turns import SessionLocks, SessionTurns
from . import (
    access_parts,
    artifact_parts,
    audit_parts,
    download_parts,
    job_parts,
    model_parts,
    routing_parts,
    session_parts,
    telemetry_parts,
)
from .artifact_cleanup import being_cleaned_up
from .catalog_upkeep import being_kept_up, being_kept_within, being_preloaded
from .checkpointing import RegularCheckpoints
from .environment import database_url
from .retention import ScheduledRetention
from .settings import Settings, SettingsError
from .sweep import InterruptedTurns

if TYPE_CHECKING:
    from ..adapters.database.sql import Database
    from .http.app import Application


def _database(settings: Settings) -> "Database":
    """Where rows are kept: in the database of the sessions if several processes share it."""
    if settings.sessions.store == "postgres":
        with session_parts.postgres_installed():
            from ..adapters.database.postgres import PostgresDatabase

        return PostgresDatabase(database_url(settings))
    from ..adapters.database.sqlite import SqliteDatabase

    return SqliteDatabase(settings.data_path / "gateway.sqlite")


class Container(containers.DeclarativeContainer):
    """Everything the service is made of; each part is built once, when it is first asked for."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)

    into: providers.Object[Path | None] = providers.Object(None)
    """Where models are brought, if not into the first configured folder."""

    clock = providers.Object(now)
    new_id = providers.Singleton(IdSequence)

    engines = providers.Singleton(model_parts.engines, settings)
    runners = providers.Singleton(model_parts.runners, settings, engines)
    egress = providers.Singleton(artifact_parts.egress, settings)
    remotes = providers.Singleton(model_parts.remotes, settings, egress.provider)
    generators = providers.Singleton(model_parts.generators, runners, remotes)
    gauges = providers.Singleton(telemetry_parts.Gauges, runners)
    metrics = providers.Singleton(telemetry_parts.metrics, gauges)
    telemetry = providers.Singleton(telemetry_parts.Telemetry, metrics)
    session_store = providers.Selector(
        providers.Callable(session_parts.kind, settings),
        sqlite=providers.Singleton(session_parts.sqlite, settings),
        postgres=providers.Singleton(session_parts.postgres, settings),
        memory=providers.Singleton(session_parts.memory),
        other=providers.Singleton(session_parts.other, settings),
    )

    database = providers.Singleton(_database, settings)
    model_folder = providers.Singleton(model_parts.model_folder, settings, engines)
    model_sources = providers.Singleton(model_parts.sources, settings, model_folder, engines, remotes)
    model_files = providers.Singleton(model_parts.model_files, model_folder)
    model_registry = providers.Singleton(model_parts.registry, database)
    model_uses = providers.Singleton(model_parts.uses, database)
    free_disk = providers.Singleton(download_parts.free_disk, settings, into)
    fetching = providers.Singleton(download_parts.Fetched, free_disk)
    catalog_alone = providers.Singleton(model_parts.catalog, settings, model_sources, runners)
    catalog = providers.Singleton(model_parts.catalog, settings, model_sources, runners, model_registry, model_uses)
    registrations = providers.Singleton(
        Registrations,
        catalog=catalog,
        registry=model_registry,
        uses=model_uses,
        files=model_files,
        loader=runners,
        fetching=fetching,
        clock=clock,
        read_parameters=providers.Object(model_parts.read_parameters),
    )
    locks = providers.Singleton(SessionLocks, settings.provided.sessions.busy_wait_s)
    artifact_files = providers.Singleton(artifact_parts.files, settings)
    artifact_index = providers.Singleton(artifact_parts.index, database)
    workspaces = providers.Singleton(artifact_parts.workspaces, settings)
    pictures = providers.Singleton(artifact_parts.pictures, settings)
    url_keys = providers.Singleton(artifact_parts.url_keys, settings)
    artifacts = providers.Singleton(
        Artifacts,
        files=artifact_files,
        index=artifact_index,
        workspaces=workspaces,
        pictures=pictures,
        clock=clock,
        new_id=new_id,
        keep_for=providers.Callable(artifact_parts.keep_for, settings),
        input_limit_bytes=settings.provided.artifacts.upload_limit_bytes,
    )
    storage = providers.Singleton(
        Storage,
        catalog=catalog,
        registrations=registrations,
        registry=model_registry,
        files=model_files,
        fetching=fetching,
        artifacts=artifacts,
        stored_artifacts=artifact_index,
        policy=providers.Callable(model_parts.storage_policy, settings),
        clock=clock,
    )
    file_folders: providers.Object[Sequence[Path] | None] = providers.Object(None)
    download_store = providers.Singleton(download_parts.store, database)
    download_sources = providers.Singleton(download_parts.sources, settings, file_folders)
    download_fetchers = providers.Singleton(download_parts.fetchers, settings, into)
    download_place = providers.Singleton(download_parts.place, settings, into)
    storage_budget = providers.Singleton(download_parts.budget, free_disk, storage)
    download_worker = providers.Singleton(
        DownloadWorker,
        store=download_store,
        sources=download_sources,
        fetchers=download_fetchers,
        place=download_place,
        budget=storage_budget,
        arrivals=providers.Singleton(download_parts.arrivals, catalog, registrations.provider),
        clock=clock,
        name=providers.Callable(download_parts.worker_name, new_id),
        parallel=settings.provided.downloads.parallel,
        alone=providers.Callable(download_parts.is_alone, settings),
    )
    downloads = providers.Singleton(
        Downloads,
        store=download_store,
        sources=download_sources,
        fetchers=download_fetchers,
        place=download_place,
        budget=storage_budget,
        worker=download_worker,
        clock=clock,
        new_id=new_id,
    )
    artifact_links = providers.Singleton(
        ArtifactLinks,
        files=artifact_files,
        index=artifact_index,
        keys=url_keys,
        clock=clock,
        ttl=providers.Callable(artifact_parts.url_ttl, settings),
        threshold_bytes=settings.provided.artifacts.threshold_bytes,
        public_url=providers.Callable(artifact_parts.public_url, settings),
    )
    input_files = providers.Singleton(
        InputFiles,
        artifacts=artifacts,
        workspaces=workspaces,
        pictures=pictures,
        egress=egress,
        limit_bytes=settings.provided.artifacts.upload_limit_bytes,
    )
    job_store = providers.Singleton(job_parts.store, settings, database)
    eraser = providers.Singleton(
        Eraser, store=session_store, artifacts=artifacts, jobs=job_store, generators=generators
    )
    sessions = providers.Singleton(
        Sessions, store=session_store, eraser=eraser, catalog=catalog, locks=locks, clock=clock, new_id=new_id
    )
    signer = providers.Singleton(audit_parts.signer, settings)
    retention = providers.Singleton(
        Retention,
        store=session_store,
        retained=session_store,
        eraser=eraser,
        policy=providers.Callable(session_parts.retention_policy, settings),
        locks=locks,
        clock=clock,
    )
    recorder = providers.Singleton(
        ReadRecorder, trail=providers.Callable(session_parts.trail, session_store), clock=clock
    )
    reads = providers.Singleton(Reads, store=session_store, recorder=recorder)
    exports = providers.Singleton(
        Exports,
        archive=session_store,
        recorder=recorder,
        signer=signer,
        formats=providers.Callable(audit_parts.export_formats),
        clock=clock,
    )
    log = providers.Singleton(audit_parts.log, settings, session_store)
    notes = providers.Singleton(audit_parts.notes, signer)
    second_place = providers.Singleton(audit_parts.second_place, settings)
    checkpoints = providers.Singleton(
        Checkpoints, log=log, store=log, second_place=second_place, notes=notes, clock=clock
    )
    log_check = providers.Singleton(
        LogCheck, log=log, claims=providers.Factory(Claims, store=log, second_place=second_place, notes=notes)
    )
    log_reads = providers.Singleton(LogReads, checkpoints=checkpoints, check=log_check, recorder=recorder)
    turns = providers.Singleton(
        SessionTurns,
        store=session_store,
        clock=clock,
        locks=locks,
        max_events=settings.provided.sessions.max_events,
        observer=telemetry,
    )
    media = providers.Singleton(
        Media, artifacts=artifacts, links=artifact_links, inputs=input_files, workspaces=workspaces
    )
    states = providers.Singleton(
        StateTokens,
        store=session_store,
        new_token=providers.Object(new_state_token),
        keep=providers.Callable(session_parts.token_life, settings),
    )
    key_store = providers.Singleton(access_parts.key_store, database)
    access = providers.Singleton(access_parts.access, settings, key_store, clock)
    keys = providers.Singleton(
        Keys, store=key_store, clock=clock, new_id=new_id, new_secret=providers.Object(access_parts.new_secret)
    )
    meter = providers.Singleton(access_parts.meter, settings, database, new_id)
    metering = providers.Singleton(Metering, meter=meter, clock=clock)
    router = providers.Singleton(routing_parts.router, settings, catalog)
    generate = providers.Singleton(
        Generate,
        router=router,
        generators=generators,
        turns=turns,
        states=states,
        media=media,
        metering=metering,
        observer=telemetry,
        clock=clock,
        new_id=new_id,
    )
    job_worker = providers.Singleton(
        JobWorker,
        store=job_store,
        generate=generate,
        clock=clock,
        name=providers.Callable(job_parts.worker_name, new_id),
        parallel=settings.provided.jobs.parallel,
        unexpected=providers.Object(job_parts.unexpected),
    )
    jobs = providers.Singleton(
        Jobs,
        store=job_store,
        worker=job_worker,
        generate=generate,
        clock=clock,
        new_id=new_id,
        queue_limit=settings.provided.jobs.queue_limit,
    )


def _artifact_parts(container: Container) -> list[providers.Provider[Any]]:
    """Those that hold something open."""
    opened: list[providers.Provider[Any]] = [container.database, container.artifact_files, container.model_files]
    return [*opened, container.workspaces, container.pictures, container.egress, container.download_place]


@asynccontextmanager
async def running(container: Container) -> AsyncIterator[None]:
    """The life of the service: what was left undone is mended first, and everything is closed at the end."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(container.session_store().close)
        for generator in container.generators().values():
            stack.push_async_callback(generator.close)
        every_s = container.settings().audit.checkpoint_every_s
        await stack.enter_async_context(RegularCheckpoints(container.checkpoints()).being_made(every_s))
        for part in _artifact_parts(container):
            stack.push_async_callback(part().close)
        stack.push_async_callback(container.access().close)
        await stack.enter_async_context(access_parts.being_metered(container.meter(), container.clock()))
        await container.artifact_files().open()
        await stack.enter_async_context(InterruptedTurns(container.sessions()).being_ended())
        await stack.enter_async_context(being_cleaned_up(container.artifacts()))
        await container.catalog().refresh()
        await stack.enter_async_context(
            routing_parts.being_looked_after(
                container.router(), container.remotes(), container.settings().routing.health_every_s
            )
        )
        await stack.enter_async_context(_models_kept_up(container))
        await stack.enter_async_context(
            telemetry_parts.being_watched(container.metrics(), container.gauges(), container.storage())
        )
        for source in container.download_sources().values():
            stack.push_async_callback(source.close)
        await container.download_place().sweep(await container.download_store().keys())
        await stack.enter_async_context(container.download_worker().working())
        retention = ScheduledRetention(container.retention(), container.new_id())
        await stack.enter_async_context(retention.being_carried_out(container.settings().sessions.retention_every_s))
        await stack.enter_async_context(
            job_parts.being_worked_on(
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
    shared = session_parts.kind(settings) == "postgres"
    every_s = settings.storage.cleanup_every_s
    async with AsyncExitStack() as stack:
        for context in (
            being_kept_up(catalog, scan_every_s=settings.models.scan_every_s, shared=shared),
            being_preloaded(catalog, container.runners(), settings.models.preload),
            being_kept_within(container.storage(), every_s) if every_s else nullcontext(),
        ):
            await stack.enter_async_context(context)
        yield


@frozen
class Service:
    """What `pluggably serve` runs, and the catalog that it greets with."""

    app: "Application"
    catalog: Catalog


def create_service(settings: Settings) -> Service:
    """The HTTP application over everything that the settings name.

    Raises:
        GatewayError: something that they name cannot be had, or is in use.
    """
    from .http.app import create_app
    from .http.services import HttpOptions, Services

    container = Container(settings=settings)
    services = Services(
        access=container.access(),
        requests=container.metrics(),
        keys=container.keys(),
        generate=container.generate(),
        jobs=container.jobs(),
        sessions=container.sessions(),
        catalog=container.catalog(),
        exports=container.exports(),
        retention=container.retention(),
        reads=container.reads(),
        log_reads=container.log_reads(),
        artifacts=container.artifacts(),
        artifact_links=container.artifact_links(),
        registrations=container.registrations(),
        storage=container.storage(),
        downloads=container.downloads(),
    )
    options = HttpOptions(
        body_limit_bytes=settings.server.body_limit_bytes,
        json_depth=settings.server.json_depth,
        upload_limit_bytes=settings.artifacts.upload_limit_bytes,
        access_log=settings.server.access_log,
    )
    return Service(create_app(services, options, lambda: running(container)), container.catalog())


def open_catalog(settings: Settings) -> Catalog:
    """The catalog alone, for a command that runs without the service, or beside it: nothing is registered in it."""
    catalog: Catalog = Container(settings=settings).catalog_alone()
    return catalog


def migrate_sessions(settings: Settings) -> Sequence[str]:
    """Make the tables of the session database, or bring them up to date.

    Returns:
        The names of what was done; empty if there was nothing to do, as with every store that does it by itself.

    Raises:
        GatewayError: the database cannot be reached, or a newer version migrated it.
    """
    if session_parts.kind(settings) != "postgres":
        return ()
    with session_parts.postgres_installed():
        from ..adapters.sessions.postgres_store import migrate

    return migrate(database_url(settings))


@asynccontextmanager
async def open_imports(settings: Settings) -> AsyncIterator[Imports]:
    """What brings sessions into the configured store, which is opened for it: on SQLite no service may run.

    Raises:
        GatewayError: the store cannot be opened, is in use, or would forget them at once.
    """
    if session_parts.kind(settings) == "memory":
        raise SettingsError(detail="sessions.store = 'memory' forgets everything at once: nothing can be imported.")
    store: Any = Container(settings=settings).session_store()
    try:
        yield Imports(reader=audit_parts.open_export_reader(), store=store)
    finally:
        await store.close()


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncIterator[Keys]:
    """The API keys, whose database is opened for it: on SQLite no service may run.

    Raises:
        GatewayError: the database cannot be opened, or is in use.
    """
    container = Container(settings=settings)
    database = container.database()
    try:
        yield container.keys()
    finally:
        await database.close()


@asynccontextmanager
async def open_downloads(settings: Settings, into: Path | None = None) -> AsyncIterator[Downloads]:
    """Downloads without the service, which works on them while the context is open.

    Models go `into` that folder, or the first configured one. Nothing remembers these downloads but their partial
    files, by which each goes on when it is asked for again; none are swept, as it is not known here which of them the
    service still wants. Whoever may run a command may read this machine's files, so `file:` sources may be anywhere.
    """
    from ..adapters.memory.downloads import MemoryDownloadStore

    container = Container(settings=settings)
    container.download_store.override(providers.Singleton(MemoryDownloadStore))
    container.catalog.override(container.catalog_alone)
    container.storage_budget.override(container.free_disk)
    container.into.override(providers.Object(into))
    container.file_folders.override(providers.Object([Path("/")]))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(container.download_place().close)
        for source in container.download_sources().values():
            stack.push_async_callback(source.close)
        await stack.enter_async_context(container.download_worker().working())
        yield container.downloads()


def start_logging(settings: Settings) -> bool:
    """Begin to log as the settings say.

    Returns:
        Whether the logs are for people: then other words to them may stand between.
    """
    from ..adapters.telemetry.logging import configure_logging

    wanted = settings.logging.format
    for_people = wanted == "console" or (wanted == "auto" and sys.stderr.isatty())
    configure_logging(settings.logging.level, "console" if for_people else "json")
    return for_people
