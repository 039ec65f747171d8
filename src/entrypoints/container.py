"""The composition root: which adapter stands behind which port. Nothing else names a concrete adapter.

Adapters are imported when they are first built, so that a command that needs no database opens none, and no process
but an engine's own ever loads torch. Nothing is built by importing this file.
"""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from dependency_injector import containers, providers

from ..adapters.system import IdSequence, new_state_token, now
from ..application.arrivals import CatalogArrivals
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
from ..application.log_check import LogCheck
from ..application.log_reads import LogReads
from ..application.media import Media
from ..application.ports import Generator, ModelSource, RunnerStatus
from ..application.reads import Reads
from ..application.retention import Retention
from ..application.sessions import Sessions
from ..application.state_tokens import StateTokens
from ..application.turns import SessionLocks, SessionTurns
from ..domain.model import LOCAL
from . import artifact_parts, audit_parts, download_parts, session_parts
from .artifact_cleanup import being_cleaned_up
from .checkpointing import RegularCheckpoints
from .environment import database_url, secret
from .plugins import adapter_path, load_adapter
from .retention import ScheduledRetention
from .settings import ProviderSettings, Settings, SettingsError
from .sweep import InterruptedTurns

if TYPE_CHECKING:
    from ..adapters.database.sql import Database
    from ..adapters.runners.engines import EngineSpec
    from ..adapters.runners.pool import LocalRunners
    from .http.app import Application


def _database(settings: Settings) -> "Database":
    """Where rows are kept: in the database of the sessions if several processes share it."""
    if settings.sessions.store == "postgres":
        with session_parts.postgres_installed():
            from ..adapters.database.postgres import PostgresDatabase

        return PostgresDatabase(database_url(settings))
    from ..adapters.database.sqlite import SqliteDatabase

    return SqliteDatabase(settings.data_path / "gateway.sqlite")


def _engines(settings: Settings) -> "dict[str, EngineSpec]":
    from ..adapters.runners.engines import ENGINES, text_engine

    added = {
        name: text_engine(name, adapter_path(path, f"runners.engines.{name}"))
        for name, path in settings.runners.engines.items()
    }
    return {**ENGINES, **added}


def _runners(settings: Settings, engines: "Mapping[str, EngineSpec]") -> "LocalRunners":
    from ..adapters.runners.pool import LocalRunners

    wanted = settings.runners
    memory = {} if wanted.memory_limit_bytes is None else {"memory_limit_bytes": wanted.memory_limit_bytes}
    return LocalRunners(
        engines=engines,
        parallel=wanted.parallel,
        queue_limit=wanted.queue_limit,
        keep_alive_s=wanted.keep_alive_s,
        threads=wanted.threads,
        context_length=wanted.context_length,
        **memory,
    )


def _model_folders(settings: Settings, engines: "Mapping[str, EngineSpec]") -> Sequence[ModelSource]:
    """The configured folders, and after them what is shipped, so that a model there takes no name away from theirs."""
    from ..adapters.catalog.folder import SHIPPED, ModelFolder

    installed = {name: spec.profile for name, spec in engines.items() if spec.installed}
    places = (settings.model_folders, (SHIPPED,)) if settings.models.shipped else (settings.model_folders,)
    return [ModelFolder(folders, installed) for folders in places]


def _remotes(settings: Settings) -> dict[str, Any]:
    """The providers by name; each is both a `Generator` and a `ModelSource`."""
    return {provider.name: _remote(provider) for provider in settings.providers}


def _remote(provider: ProviderSettings) -> Any:
    from ..adapters.providers.kinds import KINDS

    setting = f"providers.{provider.name}"
    kind = load_adapter(KINDS.get(provider.kind, provider.kind), f"{setting}.kind", tuple(KINDS))
    try:
        return kind(
            name=provider.name,
            base_url=provider.base_url,
            api_key=_api_key(provider),
            models=provider.models,
            **provider.options,
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(detail=f"{setting}.options does not suit {provider.kind!r}: {error}.") from error


def _api_key(provider: ProviderSettings) -> str | None:
    if provider.api_key_env is None:
        return None
    return secret(provider.api_key_env, f"Provider {provider.name!r} takes its key")


def _catalog(
    settings: Settings, folders: Sequence[ModelSource], runners: RunnerStatus, remotes: Mapping[str, ModelSource]
) -> Catalog:
    return Catalog(
        sources=[*folders, *remotes.values()],
        runners=runners,
        aliases=settings.models.aliases,
        defaults=settings.models.defaults,
    )


def _generators(runners: Generator, remotes: Mapping[str, Generator]) -> dict[str, Generator]:
    return {LOCAL: runners, **remotes}


class Container(containers.DeclarativeContainer):
    """Everything the service is made of; each part is built once, when it is first asked for."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)

    clock = providers.Object(now)
    new_id = providers.Singleton(IdSequence)

    engines = providers.Singleton(_engines, settings)
    runners = providers.Singleton(_runners, settings, engines)
    remotes = providers.Singleton(_remotes, settings)
    generators = providers.Singleton(_generators, runners, remotes)
    session_store = providers.Selector(
        providers.Callable(session_parts.kind, settings),
        sqlite=providers.Singleton(session_parts.sqlite, settings),
        postgres=providers.Singleton(session_parts.postgres, settings),
        memory=providers.Singleton(session_parts.memory),
        other=providers.Singleton(session_parts.other, settings),
    )

    model_folders = providers.Singleton(_model_folders, settings, engines)
    catalog = providers.Singleton(_catalog, settings, model_folders, runners, remotes)
    locks = providers.Singleton(SessionLocks, settings.provided.sessions.busy_wait_s)
    database = providers.Singleton(_database, settings)
    artifact_files = providers.Singleton(artifact_parts.files, settings)
    artifact_index = providers.Singleton(artifact_parts.index, database)
    workspaces = providers.Singleton(artifact_parts.workspaces, settings)
    pictures = providers.Singleton(artifact_parts.pictures, settings)
    egress = providers.Singleton(artifact_parts.egress, settings)
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
    into: providers.Object[Path | None] = providers.Object(None)
    file_folders: providers.Object[Sequence[Path] | None] = providers.Object(None)
    download_store = providers.Singleton(download_parts.store, database)
    download_sources = providers.Singleton(download_parts.sources, settings, file_folders)
    download_fetchers = providers.Singleton(download_parts.fetchers, settings, into)
    download_place = providers.Singleton(download_parts.place, settings, into)
    storage_budget = providers.Singleton(download_parts.budget, settings, into)
    download_worker = providers.Singleton(
        DownloadWorker,
        store=download_store,
        sources=download_sources,
        fetchers=download_fetchers,
        place=download_place,
        budget=storage_budget,
        arrivals=providers.Singleton(CatalogArrivals, catalog),
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
    eraser = providers.Singleton(Eraser, store=session_store, artifacts=artifacts, generators=generators)
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
    generate = providers.Singleton(
        Generate,
        catalog=catalog,
        generators=generators,
        turns=turns,
        states=states,
        media=media,
        clock=clock,
        new_id=new_id,
    )


def _artifact_parts(container: Container) -> list[providers.Provider[Any]]:
    """Those that hold something open."""
    opened: list[providers.Provider[Any]] = [container.database, container.artifact_files]
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
        await container.artifact_files().open()
        await stack.enter_async_context(InterruptedTurns(container.sessions()).being_ended())
        await stack.enter_async_context(being_cleaned_up(container.artifacts()))
        await container.catalog().refresh()
        for source in container.download_sources().values():
            stack.push_async_callback(source.close)
        await stack.enter_async_context(container.download_worker().working())
        retention = ScheduledRetention(container.retention(), container.new_id())
        await stack.enter_async_context(retention.being_carried_out(container.settings().sessions.retention_every_s))
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
        generate=container.generate(),
        sessions=container.sessions(),
        catalog=container.catalog(),
        exports=container.exports(),
        retention=container.retention(),
        reads=container.reads(),
        log_reads=container.log_reads(),
        artifacts=container.artifacts(),
        artifact_links=container.artifact_links(),
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
    """The catalog alone, for a command that runs without the service."""
    catalog: Catalog = Container(settings=settings).catalog()
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
async def open_downloads(settings: Settings, into: Path | None = None) -> AsyncIterator[Downloads]:
    """Downloads without the service, which works on them while the context is open.

    Models go `into` that folder, or the first configured one. Nothing remembers these downloads but their partial
    files, by which each goes on when it is asked for again. Whoever may run a command may read this machine's files, so
    `file:` sources may be anywhere.
    """
    from ..adapters.memory.downloads import MemoryDownloadStore

    container = Container(settings=settings)
    container.download_store.override(providers.Singleton(MemoryDownloadStore))
    container.into.override(providers.Object(into))
    container.file_folders.override(providers.Object([Path("/")]))
    try:
        async with container.download_worker().working():
            yield container.downloads()
    finally:
        await container.download_place().close()


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
