"""The HTTP application over the in-memory adapters, under a real server."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn

from pluggably.adapters.audit.checkpoint_file import CheckpointFile
from pluggably.adapters.audit.exporters import FORMATS
from pluggably.adapters.audit.notes import SigningNotes
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.memory.access import MemoryKeyStore, MemoryMeter
from pluggably.adapters.memory.fetching import NothingFetched
from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.memory.jobs import MemoryJobStore
from pluggably.adapters.memory.local_models import MemoryModelFiles, MemoryModelLoader
from pluggably.adapters.memory.log import NoLog
from pluggably.adapters.memory.registry import MemoryModelRegistry, MemoryModelUses
from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.memory.usage import MemoryUsageJournal, MemoryUsageLedger
from pluggably.adapters.system import IdSequence, new_state_token, now
from pluggably.application.access import Access, KeyAuthenticator
from pluggably.application.audit import Exports
from pluggably.application.audit_trail import ReadRecorder
from pluggably.application.catalog import Catalog
from pluggably.application.checkpoints import Checkpoints
from pluggably.application.claims import Claims
from pluggably.application.erasure import Eraser
from pluggably.application.generate import Generate
from pluggably.application.job_worker import JobWorker
from pluggably.application.jobs import Jobs
from pluggably.application.keys import Keys
from pluggably.application.log_check import LogCheck
from pluggably.application.log_reads import LogReads
from pluggably.application.metering import Metering
from pluggably.application.reads import Reads
from pluggably.application.registrations import Registrations
from pluggably.application.retention import Retention
from pluggably.application.routing import Router
from pluggably.application.sessions import Sessions
from pluggably.application.state_tokens import StateTokens
from pluggably.application.storage import Storage
from pluggably.application.telemetry import Unobserved
from pluggably.application.tracing import Untraced
from pluggably.application.turns import SessionLocks, SessionTurns
from pluggably.application.usage import UsageReports
from pluggably.domain.generation import Started, TextDelta
from pluggably.domain.model import Modality, ModelStatus
from pluggably.domain.retention import RetentionPolicy
from pluggably.domain.routing import RetryPolicy
from pluggably.domain.storage import StoragePolicy
from pluggably.entrypoints.composition.access import new_secret
from pluggably.entrypoints.composition.jobs import being_worked_on
from pluggably.entrypoints.composition.models import read_parameters
from pluggably.entrypoints.http.app import create_app
from pluggably.entrypoints.http.connection import ConnectionLimits, connection_within
from pluggably.entrypoints.http.services import HttpOptions, Services
from tests.artifact_world import ArtifactWorld
from tests.builders import a_model
from tests.download_world import DownloadWorld

TLS = ssl.create_default_context()  # takes 25 ms to make
QUIET = HttpOptions(access_log=False)
ONCE = RetryPolicy(attempts=1)
LIMITS = ConnectionLimits()


class Models:
    """`tiny` honours every parameter, `acme/large` only one; `painter` makes images."""

    async def models(self):
        return [
            a_model("tiny", path="/secret/tiny.gguf", capabilities=frozenset({"chat", "tools"}), context_length=2048),
            a_model("acme/large", provider="acme", origin="provider", parameters=frozenset({"max_tokens"})),
            a_model("painter", modality=Modality.IMAGE),
        ]

    def match(self, model_id):
        return None

    def status(self, model_id):
        return ModelStatus.LOADED


class Noting(Unobserved):
    """An observer who notes what is used, and nothing else."""

    def __init__(self, usage: UsageReports) -> None:
        self.usage = usage

    def generated(self, it) -> None:
        self.usage.note(it)


class World:
    """The use cases; `generator` answers for every model but those of the provider `studio`."""

    def __init__(
        self,
        generator=None,
        *,
        wait_s: float = 5,
        max_events: int = 10_000,
        clock=now,
        store=None,
        keys="nowhere",
        artifacts=None,
        models=None,
        studio=None,
        jobs=None,
        queue_limit: int = 256,
        retries=ONCE,
        routes=None,
        seats=None,
        api_keys: bool = False,
        authenticators=(),
        requests=None,
        observer=None,
        tracer=Untraced(),  # noqa: B008 - it holds nothing
        policy=None,
        downloads=None,
    ) -> None:
        self.generator = generator or ScriptedGenerator()
        self.store = store or MemorySessionStore()
        recorder = ReadRecorder(trail=self.store.trail, clock=clock)
        artifacts = artifacts or ArtifactWorld(Path(keys))
        new_id, locks = IdSequence(), SessionLocks(wait_s)
        self.signer, log = SigningKey(Path(keys)), getattr(self.store, "log", NoLog())
        kept = {"store": log, "second_place": CheckpointFile(Path(keys) / "audit"), "notes": SigningNotes(self.signer)}
        registry, uses, self.loader, self.files = (
            MemoryModelRegistry(),
            MemoryModelUses(),
            MemoryModelLoader(),
            MemoryModelFiles(),
        )
        catalog = Catalog(
            sources=[models or Models()],
            runners=Models(),
            aliases={"small": "tiny"},
            defaults={Modality.TEXT: "tiny"},
            registry=registry,
            uses=uses,
            on_pins=self.loader.keep,
        )
        registrations = Registrations(
            catalog=catalog,
            registry=registry,
            uses=uses,
            files=self.files,
            loader=self.loader,
            clock=clock,
            read_parameters=read_parameters,
        )
        generators = {"local": self.generator, "acme": self.generator, "studio": studio}
        self.jobs = jobs or MemoryJobStore()
        eraser = Eraser(store=self.store, artifacts=artifacts.artifacts, jobs=self.jobs, generators=generators)
        self.usage = UsageReports(journal=MemoryUsageJournal(), ledger=MemoryUsageLedger(), clock=clock)
        self.checkpoints = Checkpoints(log=log, clock=clock, **kept)
        self.router = Router(catalog=catalog, retries=retries, routes=routes or {}, seats=seats or {})
        generate = Generate(
            router=self.router,
            generators=generators,
            turns=SessionTurns(store=self.store, clock=clock, locks=locks, max_events=max_events),
            states=StateTokens(store=self.store, new_token=new_state_token),
            media=artifacts.media,
            metering=Metering(meter=MemoryMeter(), clock=clock),
            observer=observer or Noting(self.usage),
            tracer=tracer,
            clock=clock,
            new_id=new_id,
        )
        self.worker = JobWorker(
            store=self.jobs,
            generate=generate,
            clock=clock,
            name=new_id("run"),
            parallel=2,
            unexpected=lambda job_id, error: self.unexpected.append(error),
        )
        self.unexpected: list[Exception] = []
        self.keys = Keys(store=MemoryKeyStore(), clock=clock, new_id=new_id, new_secret=new_secret)
        found = [*authenticators, *([KeyAuthenticator(store=self.keys.store, clock=clock)] if api_keys else [])]
        self.services = Services(
            access=Access(authenticators=found, clock=clock),
            keys=self.keys,
            requests=requests or Unobserved(),
            tracer=tracer,
            artifacts=artifacts.artifacts,
            artifact_links=artifacts.links,
            usage=self.usage,
            downloads=(downloads or DownloadWorld(Path(keys) / "models")).downloads,
            catalog=catalog,
            registrations=registrations,
            storage=Storage(
                catalog=catalog,
                registrations=registrations,
                registry=registry,
                files=self.files,
                fetching=NothingFetched(),
                artifacts=artifacts.artifacts,
                stored_artifacts=artifacts.artifacts.index,
                policy=policy or StoragePolicy(),
                clock=clock,
            ),
            sessions=Sessions(
                store=self.store,
                eraser=eraser,
                catalog=catalog,
                locks=locks,
                clock=clock,
                new_id=new_id,
            ),
            retention=Retention(
                store=self.store, retained=self.store, eraser=eraser, policy=RetentionPolicy(), locks=locks, clock=clock
            ),
            reads=Reads(store=self.store, recorder=recorder),
            exports=Exports(archive=self.store, recorder=recorder, signer=self.signer, formats=FORMATS, clock=clock),
            log_reads=LogReads(
                checkpoints=self.checkpoints, check=LogCheck(log=log, claims=Claims(**kept)), recorder=recorder
            ),
            generate=generate,
            jobs=Jobs(
                store=self.jobs,
                worker=self.worker,
                generate=generate,
                clock=clock,
                new_id=new_id,
                queue_limit=queue_limit,
            ),
        )

    def app(self, options: HttpOptions = QUIET, **wanted):
        return create_app(self.services, options, **wanted)

    def at_work(self):
        """The lifespan in which jobs are worked on."""
        return being_worked_on(self.worker, self.jobs, self.worker.clock, keep_days=1, grace_s=0)


def listening() -> socket.socket:
    """A socket on a free port. It says that it is TCP's, for asyncio to send at once: else each answer takes 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@asynccontextmanager
async def serving(app, graceful_s: int = 5, limits: ConnectionLimits = LIMITS) -> AsyncIterator[str]:
    """Serve the application on a free port; gives its URL."""
    with listening() as listener:
        config = uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            access_log=False,
            ws="none",
            http=connection_within(limits),
            timeout_graceful_shutdown=graceful_s,
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await server.shutdown(sockets=[listener])


@asynccontextmanager
async def client_of(app) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which is served meanwhile."""
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=10, verify=TLS) as client:
        yield client


class RawConnection:
    """A client that speaks HTTP by hand, to do what no proper client would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.writer.write(chunk)
        await self.writer.drain()

    async def post(self, path: str, body: bytes, *headers: str) -> None:
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        await self.send("\r\n".join([*lines, *headers, "", ""]).encode(), body)

    async def until(self, mark: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(mark), 10)

    def leave(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def raw_connection(url: str) -> AsyncIterator[RawConnection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


class Endless:
    """A generator that goes on until it is stopped; `begun` and `ended` say when, `tokens` how far it came."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.gate, self.tokens = gate, 0
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def generate(self, request):
        self.begun.set()
        try:
            yield Started()
            while True:
                await (self.gate.wait() if self.gate else asyncio.sleep(0))
                self.tokens += 1
                yield TextDelta("token ")
        finally:
            self.ended.set()

    async def close(self) -> None:
        """Nothing to close."""


def events_of(text: str) -> list[tuple[str, dict]]:
    """The events of a native stream, without its pings."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if block and not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for *_, name, data in blocks]
