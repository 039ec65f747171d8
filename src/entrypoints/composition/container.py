"""The composition root: which adapter stands behind which port. Nothing else names a concrete adapter.

Adapters are imported when they are first built, so that a command that needs no database opens none, and no process
but an engine's own ever loads torch. Nothing is built by importing this file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dependency_injector import containers, providers

from ...adapters.system import IdSequence, new_state_token, now
from ...application.artifact_links import ArtifactLinks
from ...application.artifacts import Artifacts
from ...application.audit import Exports
from ...application.audit_trail import ReadRecorder
from ...application.checkpoints import Checkpoints
from ...application.claims import Claims
from ...application.download_worker import DownloadWorker
from ...application.downloads import Downloads
from ...application.erasure import Eraser
from ...application.generate import Generate
from ...application.input_files import InputFiles
from ...application.job_worker import JobWorker
from ...application.jobs import Jobs
from ...application.keys import Keys
from ...application.log_check import LogCheck
from ...application.log_reads import LogReads
from ...application.media import Media
from ...application.metering import Metering
from ...application.reads import Reads
from ...application.registrations import Registrations
from ...application.retention import Retention
from ...application.sessions import Sessions
from ...application.state_tokens import StateTokens
from ...application.storage import Storage
from ...application.turns import SessionLocks, SessionTurns
from ...application.usage import UsageReports
from ..settings import Settings
from . import access as access_parts
from . import artifacts as artifact_parts
from . import audit as audit_parts
from . import downloads as download_parts
from . import jobs as job_parts
from . import models as model_parts
from . import routing as routing_parts
from . import sessions as session_parts
from . import telemetry as telemetry_parts
from . import tracing as tracing_parts
from . import usage as usage_parts
from .environment import database_url

if TYPE_CHECKING:
    from ...adapters.database.sql import Database


def _database(settings: Settings) -> "Database":
    """Where rows are kept: in the database of the sessions if several processes share it."""
    if settings.sessions.store == "postgres":
        with session_parts.postgres_installed():
            from ...adapters.database.postgres import PostgresDatabase

        return PostgresDatabase(database_url(settings))
    from ...adapters.database.sqlite import SqliteDatabase

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
    gauges = providers.Singleton(telemetry_parts.Gauges)
    metrics = providers.Singleton(telemetry_parts.metrics, gauges)
    session_store = providers.Selector(
        providers.Callable(session_parts.kind, settings),
        sqlite=providers.Singleton(session_parts.sqlite, settings),
        postgres=providers.Singleton(session_parts.postgres, settings),
        memory=providers.Singleton(session_parts.memory),
        other=providers.Singleton(session_parts.other, settings),
    )

    database = providers.Singleton(_database, settings)
    usage = providers.Singleton(
        UsageReports,
        journal=providers.Singleton(usage_parts.journal, settings, new_id),
        ledger=providers.Singleton(usage_parts.ledger, database),
        clock=clock,
    )
    telemetry = providers.Singleton(telemetry_parts.Telemetry, metrics, usage)
    tracer = providers.Singleton(tracing_parts.tracer)
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
    arrivals = providers.Singleton(download_parts.arrivals, catalog, registrations.provider)
    download_worker = providers.Singleton(
        DownloadWorker,
        store=download_store,
        sources=download_sources,
        fetchers=download_fetchers,
        place=download_place,
        budget=storage_budget,
        arrivals=arrivals,
        clock=clock,
        name=providers.Callable(download_parts.worker_name, new_id),
        parallel=settings.provided.downloads.parallel,
        alone=providers.Callable(download_parts.is_alone, settings),
        observer=metrics,
    )
    downloads = providers.Singleton(
        Downloads,
        store=download_store,
        sources=download_sources,
        fetchers=download_fetchers,
        place=download_place,
        budget=storage_budget,
        arrivals=arrivals,
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
    watch = providers.Singleton(
        telemetry_parts.Watch,
        metrics=metrics,
        gauges=gauges,
        runners=runners,
        router=router,
        storage=storage,
        jobs=job_store,
        downloads=download_store,
    )
    generate = providers.Singleton(
        Generate,
        router=router,
        generators=generators,
        turns=turns,
        states=states,
        media=media,
        metering=metering,
        observer=telemetry,
        tracer=tracer,
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
        shared=providers.Callable(job_parts.is_shared, settings),
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
