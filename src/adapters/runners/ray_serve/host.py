"""All local models on a Ray cluster: the second host of runners, beside `LocalRunners` and with the same promises."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from math import ceil
from pathlib import Path
from uuid import uuid4

import structlog
from attrs import define, field
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from ....application.artifact_ports import ArtifactFiles
from ....domain.errors import (
    Draining,
    GatewayError,
    ModelBusy,
    Overloaded,
    RunnerOutOfMemory,
    StateTokenRefused,
    Unavailable,
)
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.memory import PROCESS_BYTES
from ....domain.model import Model, ModelStatus
from ..cooldown import Cooldown
from ..engines import ENGINES, EngineSpec
from ..load_plan import LoadPlan
from ..running_model import RunningModel
from ..service_time import ServiceTime
from ..wire import Begin, encode
from .application import Application, model_of
from .calls import Handle, Report, to_error
from .link import Link
from .node_files import FileSource, files_of, upload
from .responses import cancel, events_in

log = structlog.get_logger()


@define(eq=False)
class Work:
    """What this gateway knows of one application: its requests there, how long they take, and loads that failed."""

    application: Application
    cooldown: Cooldown
    working: int = 0
    waiting: int = 0
    loading: int = 0
    service_time: ServiceTime = field(factory=ServiceTime)


@define(eq=False, kw_only=True)
class RayRunners:
    """The generator of the provider `local`, with each model an application of Ray Serve on the cluster at `address`.

    A replica works on `parallel` requests at once; `queue_limit` more of this gateway wait, whatever the number of
    replicas, which is between `min_replicas` and `max_replicas`. Each takes `cpus` of a node, which are its threads
    unless `threads` says otherwise, and the memory that its model is estimated to take: of a GPU, in shares of
    `gpu_memory_bytes`, where that is given and the engine computes on one.

    Nodes have the model at the gateway's path, or get it through `store`, which they make with `source.store`.
    """

    address: str
    source: FileSource
    store: ArtifactFiles | None = None
    engines: Mapping[str, EngineSpec] = ENGINES
    parallel: int = 8
    queue_limit: int = 64
    min_replicas: int = 1
    max_replicas: int = 1
    cpus: float = 1.0
    gpu_memory_bytes: int | None = None
    memory_wait_s: float = 30.0
    keep_alive_s: float = 300.0
    cooldown_s: float = 10.0
    threads: int | None = None
    context_length: int | None = None
    _gateway: str = field(init=False, factory=lambda: uuid4().hex)
    _plan: LoadPlan = field(init=False)
    _link: Link = field(init=False)
    _works: dict[str, Work] = field(init=False, factory=dict)
    _known: dict[tuple[str, str | None, datetime | None], Work] = field(init=False, factory=dict)
    _kept: frozenset[str] = field(init=False, default=frozenset())
    _responses: set[Handle] = field(init=False, factory=set)
    _closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        """Connects when it is first used."""
        self._plan = LoadPlan(
            engines=self.engines,
            parallel=self.parallel,
            threads=self.threads or max(1, int(self.cpus)),
            context_length=self.context_length,
        )
        self._link = Link(address=self.address, report=self._report)

    def connect(self) -> None:
        """Begin to connect, and to know what others have loaded, before the first request."""
        self._link.tell()

    def at_work(self) -> Sequence[RunningModel]:
        """The models that have replicas, with the memory that is kept for them, or that somebody here waits for."""
        standings = self._link.standings
        return [
            RunningModel(
                model_id=work.application.model_id,
                resident_bytes=standings[name].replicas * work.application.memory_bytes if name in standings else 0,
                working=work.working,
                waiting=work.waiting,
            )
            for name, work in self._works.items()
            if name in standings or work.working or work.waiting
        ]

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Yield `Started` once a replica works on it, then what its engine yields.

        Raises:
            Overloaded: too many wait for the model, or busy models leave no room for it on the cluster.
            RunnerOutOfMemory: no node is large enough.
            RunnerCrashed: the replica or its node is gone, or could not load the model.
            ModelLoading: it could not be loaded a short time ago, or the cluster does not answer.
            Draining: the service shuts down.
            StateTokenRefused: `request` has a state, which no local model gave.
            GatewayError: what the engine says.
        """
        self._expect_open()
        if request.state:
            raise StateTokenRefused(detail="Local models keep no states but what they are told.")
        work = await self._work(request.model)
        work.waiting += 1
        started = False
        self._link.tell()
        try:
            async with aclosing(self._tried_twice(work, request)) as events:
                async for event in events:
                    if not started:
                        started, work.waiting, work.working = True, work.waiting - 1, work.working + 1
                    yield event
        finally:
            work.waiting -= not started
            work.working -= started
            self._link.tell()

    async def load(self, model: Model) -> None:
        """Load a model, also one that could not be loaded shortly before; see `ModelLoader.load`."""
        self._expect_open()
        work = await self._work(model)
        work.cooldown.over()
        await self._load(work)

    async def unload(self, model_id: str) -> None:
        """Unload a model, also a pinned one, for all gateways; see `ModelLoader.unload`."""
        works = [work for work in self._works.values() if work.application.model_id == model_id]
        if any(work.working or work.waiting or work.loading for work in works):
            raise ModelBusy(detail=f"Model {model_id!r} works on requests, or loads: unload it when it has ended.")
        await self._link.unload(model_id)
        log.info("model.unloaded", model=model_id)

    def keep(self, model_ids: Collection[str]) -> None:
        """Keep these models in memory; see `ModelLoader.keep`."""
        self._kept = frozenset(model_ids)  # told with the next report, which is not a second away

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: no state is kept."""

    def status(self, model_id: str) -> ModelStatus:
        """`available`, `loading` or `loaded`, on the cluster: this may be a second old."""
        states = {it.state for name, it in self._link.standings.items() if model_of(name) == model_id}
        loading = any(work.loading for work in self._works.values() if work.application.model_id == model_id)
        if "loaded" in states:
            return ModelStatus.LOADED
        return ModelStatus.LOADING if loading or "loading" in states else ModelStatus.AVAILABLE

    async def close(self) -> None:
        """Give up what is at work here, and leave the models to the other gateways, or to their keeper."""
        self._closed = True
        for response in self._responses:
            cancel(response)
        await self._link.close()
        if self.store:
            await self.store.close()

    async def _tried_twice(self, work: Work, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """The events; from the application as it is known, or loaded anew where another gateway unloaded it."""
        shown = await asyncio.to_thread(lambda: tuple(Path(file.path).read_bytes() for file in request.files))
        for again in (False, True):
            try:
                async with aclosing(self._events(work, request, shown)) as events:
                    async for event in events:
                        yield event
                return
            except DeploymentUnavailableError as error:  # nothing of the request has begun
                self._link.gone(work.application)
                if again:
                    raise to_error(error) from error

    async def _events(
        self, work: Work, request: GenerationRequest, shown: Sequence[bytes]
    ) -> AsyncGenerator[GenerationEvent, None]:
        if not self._link.runs(work.application):
            if not work.loading:
                work.cooldown.expect_over(work.application.model_id)
            await self._load(work)
        handle = await self._link.handle_of(work.application)
        self._expect_open()
        response = handle.options(session_id=request.session_id or "").remote(encode(Begin(0, request)), shown)
        self._responses.add(response)
        ended = False
        try:
            with work.service_time.of_one():
                async with aclosing(events_in(response, request)) as events:
                    async for event in events:
                        yield event
            ended = True
        except (GatewayError, DeploymentUnavailableError):
            raise
        except BackPressureError as error:
            raise self._full(work) from error
        except (RayError, RayServeException) as error:
            raise (Draining() if self._closed else to_error(error)) from error
        finally:
            self._responses.discard(response)
            if not ended:
                cancel(response)

    async def _load(self, work: Work) -> None:
        application = work.application
        work.loading += 1
        self._link.tell()
        try:
            if self.store:
                await upload(Path(application.options.path), application.files, self.store)
            log.info("model.loading", model=application.model_id, engine=application.engine)
            await self._link.load(application, self.memory_wait_s)
            log.info("model.loaded", model=application.model_id, application=application.name)
            work.cooldown.over()
        except GatewayError as error:
            if not isinstance(error, Unavailable):
                work.cooldown.failed(error)
            raise
        finally:
            work.loading -= 1

    async def _work(self, model: Model) -> Work:
        """What is known of the model, as its files are now."""
        key = (model.id, model.path, model.created_at)
        if (work := self._known.get(key)) is None:
            application = await asyncio.to_thread(self._application, model)
            fresh = Work(application, Cooldown(self.cooldown_s))
            work = self._known[key] = self._works.setdefault(application.name, fresh)
        return work

    def _application(self, model: Model) -> Application:
        """The model as it is wanted on the cluster; blocks, for as long as its files are hashed."""
        spec, options, needed_bytes = self._plan.spec(model), self._plan.options(model), self._plan.needed_bytes(model)
        gpus, memory_bytes = 0.0, needed_bytes
        if self.gpu_memory_bytes and spec.gpu:
            gpus, memory_bytes = ceil(100 * needed_bytes / self.gpu_memory_bytes) / 100, PROCESS_BYTES
            if gpus > 1:
                raise RunnerOutOfMemory(
                    detail=f"Model {model.id!r} needs about {needed_bytes >> 20} MiB; a GPU of the cluster has "
                    f"{self.gpu_memory_bytes >> 20} MiB."
                )
        return Application(
            model_id=model.id,
            engine=spec.path,
            options=options,
            files=files_of(Path(options.path), self.source.path),
            min_replicas=self.min_replicas,
            max_replicas=self.max_replicas,
            queue_limit=self.queue_limit,
            cpus=self.cpus,
            memory_bytes=memory_bytes,
            gpus=gpus,
            source=self.source,
        )

    def _report(self) -> Report:
        at_work = {name: work.working + work.waiting for name, work in self._works.items()}
        return Report(
            gateway=self._gateway,
            keep_alive_s=self.keep_alive_s,
            kept=self._kept,
            requests={name: number for name, number in at_work.items() if number},
        )

    def _full(self, work: Work) -> Overloaded:
        parallel = work.application.options.parallel * self.max_replicas
        return Overloaded(
            detail=f"The model's replicas are at work, and {work.waiting - 1} more requests wait for them.",
            retry_after_s=work.service_time.until_free_s(waiting=work.waiting - 1, parallel=parallel),
        )

    def _expect_open(self) -> None:
        if self._closed:
            raise Draining
