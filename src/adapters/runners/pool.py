"""All local models: each loaded on its first request, kept while it is used, unloaded to make room for others."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from time import monotonic

import psutil
import structlog
from attrs import define, field, frozen

from ...domain.errors import (
    Draining,
    GatewayError,
    ModelBusy,
    Overloaded,
    RunnerOutOfMemory,
    StateTokenRefused,
)
from ...domain.generation import BackendState, GenerationEvent, GenerationRequest, Started
from ...domain.model import Model, ModelStatus
from .admission import Admission
from .cooldown import Cooldown
from .engine import EngineOptions
from .engines import ENGINES, EngineSpec
from .load_plan import LoadPlan
from .memory import Resident, to_unload
from .process import RunnerProcess
from .running_model import RunningModel

log = structlog.get_logger()


@frozen
class Files:
    """Which files a model id stands for now: when others take their place, they are another model to load."""

    model_id: str
    path: str | None
    created_at: datetime | None


@define(eq=False)
class Place:
    """What is known of one model here; it outlives the processes that run the model."""

    files: Files
    admission: Admission
    cooldown: Cooldown
    runner: RunnerProcess | None = field(init=False, default=None)
    loading: asyncio.Task[RunnerProcess] | None = field(init=False, default=None)
    unloading: asyncio.Task[None] | None = field(init=False, default=None)
    reserved_bytes: int = field(init=False, default=0)
    last_used: float = field(init=False, default=0.0)
    expiry: asyncio.TimerHandle | None = field(init=False, default=None)

    @property
    def model_id(self) -> str:
        """The model's id."""
        return self.files.model_id

    @property
    def loaded(self) -> RunnerProcess | None:
        """The running process; one that has crashed is no longer known."""
        if self.runner and self.runner.ended:
            self.runner = None
        return self.runner

    def stay(self) -> None:
        """Forget when it was to be unloaded."""
        if self.expiry:
            self.expiry.cancel()


@define(eq=False, kw_only=True)
class LocalRunners:
    """The generator of the provider `local`.

    `parallel` requests of a model run at once, or fewer if its engine says so, and `queue_limit` more wait.
    `memory_limit_bytes` is for all loaded models together (default: 80 % of the machine's); `memory_wait_s` is how long
    a request waits for busy ones to make room. A model that nobody used for `keep_alive_s` is unloaded; below 0: never.
    One that could not be loaded is not tried again for `cooldown_s`, or longer after several failures. Pinned models
    stay in memory until they are unloaded by hand.
    `threads` and `context_length` are handed to the engines.
    """

    engines: Mapping[str, EngineSpec] = ENGINES
    parallel: int = 8
    queue_limit: int = 64
    memory_limit_bytes: int = field(factory=lambda: psutil.virtual_memory().total * 8 // 10)
    memory_wait_s: float = 30.0
    keep_alive_s: float = 300.0
    cooldown_s: float = 10.0
    threads: int | None = None
    context_length: int | None = None
    _plan: LoadPlan = field(init=False)
    _places: dict[Files, Place] = field(init=False, factory=dict)
    _pinned: frozenset[str] = field(init=False, default=frozenset())
    _newest: dict[str, Place] = field(init=False, factory=dict)
    _closed: bool = field(init=False, default=False)
    _changed: asyncio.Event = field(init=False, factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        """Put together how models are loaded."""
        self._plan = LoadPlan(
            engines=self.engines, parallel=self.parallel, threads=self.threads, context_length=self.context_length
        )

    def at_work(self) -> "Sequence[RunningModel]":
        """The models that are loaded, or that somebody waits for."""
        return [
            RunningModel(
                model_id=place.model_id,
                resident_bytes=place.loaded.resident_bytes if place.loaded else 0,
                working=place.admission.seated,
                waiting=place.admission.waiting,
            )
            for place in self._places.values()
            if place.loaded or place.admission.busy
        ]

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Yield `Started` once the model is loaded and has room, then what its engine yields.

        Raises:
            Overloaded: too many wait for the model, or busy models leave no memory for it.
            RunnerOutOfMemory: the model alone is larger than the memory for models.
            RunnerCrashed: its process ended, or could not load it.
            ModelLoading: it could not be loaded a short time ago; it says when it is tried again.
            Draining: the service shuts down.
            StateTokenRefused: `request` has a state, which no local model gave.
            GatewayError: what the engine says.
        """
        if self._closed:
            raise Draining
        if request.state:
            raise StateTokenRefused(detail="Local models keep no states but what they are told.")
        place = self._place(request.model)
        try:
            async with place.admission.seat():
                runner = await self._runner(place, request.model)
                yield Started()
                async with aclosing(runner.generate(request)) as events:
                    async for event in events:
                        yield event
        finally:
            self._left(place)

    async def load(self, model: Model) -> None:
        """Load a model, also one that could not be loaded shortly before; see `ModelLoader.load`."""
        if self._closed:
            raise Draining
        place = self._place(model)
        place.cooldown.over()
        try:
            await self._runner(place, model)
        finally:
            self._left(place)

    async def unload(self, model_id: str) -> None:
        """Unload a model, also a pinned one; see `ModelLoader.unload`."""
        places = [place for place in self._places.values() if place.model_id == model_id]
        if any(place.admission.busy or place.loading for place in places):
            raise ModelBusy(detail=f"Model {model_id!r} works on requests, or loads: unload it when it has ended.")
        await asyncio.gather(*(self._unload(place) for place in places if place.loaded or place.unloading))

    def keep(self, model_ids: Collection[str]) -> None:
        """Keep these models in memory; see `ModelLoader.keep`."""
        released, self._pinned = self._pinned.difference(model_ids), frozenset(model_ids)
        for place in self._places.values():
            if self._is_kept(place):
                place.stay()
            elif place.model_id in released:
                self._left(place)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: no state is kept."""

    def status(self, model_id: str) -> ModelStatus:
        """`available`, `loading` or `loaded`."""
        places = [place for place in self._places.values() if place.model_id == model_id]
        if any(place.loaded and not place.unloading for place in places):
            return ModelStatus.LOADED
        return ModelStatus.LOADING if any(place.loading for place in places) else ModelStatus.AVAILABLE

    async def close(self) -> None:
        """End all models' processes, whatever they do."""
        self._closed = True
        await asyncio.gather(*(self._end(place) for place in self._places.values()))

    def _place(self, model: Model) -> Place:
        files = Files(model.id, model.path, model.created_at)
        if not (place := self._places.get(files)):
            admission = Admission(self._plan.parallel_of(model), self.queue_limit)
            place = self._places[files] = Place(files, admission, Cooldown(self.cooldown_s))
            replaced, self._newest[model.id] = self._newest.get(model.id), place
            if replaced:
                self._left(replaced)  # which is not kept any more
        place.stay()
        return place

    def _left(self, place: Place) -> None:
        place.last_used = monotonic()
        place.stay()
        kept = self._is_kept(place) or self.keep_alive_s < 0
        if not place.admission.busy and place.loaded and not kept and not self._closed:
            place.expiry = asyncio.get_running_loop().call_later(self.keep_alive_s, self._expire, place)
        self._wake()

    async def _runner(self, place: Place, model: Model) -> RunnerProcess:
        if place.unloading:
            await asyncio.shield(place.unloading)
        if self._closed:
            raise Draining
        if runner := place.loaded:
            return runner
        if not place.loading:
            place.cooldown.expect_over(model.id)
        return await asyncio.shield(self._loading(place, model))

    def _loading(self, place: Place, model: Model) -> asyncio.Task[RunnerProcess]:
        """The one load of the model, which goes on when those who wait for it leave."""
        if not place.loading:
            place.loading = asyncio.create_task(self._load(place, model))
            place.loading.add_done_callback(lambda load: load.cancelled() or load.exception())
        return place.loading

    async def _load(self, place: Place, model: Model) -> RunnerProcess:
        try:
            spec, options = self._plan.spec(model), self._plan.options(model)
            await self._make_room(place, self._plan.needed_bytes(model))
            log.info("model.loading", model=model.id, engine=model.engine)
            place.runner = await self._start(place, spec.path, options)
            log.info("model.loaded", model=model.id, resident_bytes=place.runner.resident_bytes)
            return place.runner
        except asyncio.CancelledError:  # by `close` alone; those who wait were not cancelled themselves
            raise Draining from None
        finally:
            place.reserved_bytes = 0
            place.loading = None
            self._left(place)

    async def _start(self, place: Place, engine: str, options: EngineOptions) -> RunnerProcess:
        try:
            runner = await RunnerProcess.start(engine, options)
        except GatewayError as error:
            place.cooldown.failed(error)
            raise
        place.cooldown.over()
        return runner

    async def _make_room(self, place: Place, needed_bytes: int) -> None:
        if needed_bytes > self.memory_limit_bytes:
            raise RunnerOutOfMemory(
                detail=f"Model {place.model_id!r} needs about {needed_bytes >> 20} MiB; local models may use "
                f"{self.memory_limit_bytes >> 20} MiB."
            )
        try:
            async with asyncio.timeout(self.memory_wait_s):
                while (leaving := self._leaving_for(needed_bytes)) != ():
                    await (asyncio.gather(*map(self._unload, leaving)) if leaving else self._changed.wait())
        except TimeoutError as exc:
            raise Overloaded(
                detail="The models that are busy leave no memory for this one.", retry_after_s=self.memory_wait_s
            ) from exc
        place.reserved_bytes = needed_bytes

    def _leaving_for(self, needed_bytes: int) -> tuple[Place, ...] | None:
        residents = [self._resident(place) for place in self._places.values()]
        chosen = to_unload(residents, needed_bytes=needed_bytes, limit_bytes=self.memory_limit_bytes)
        return None if chosen is None else tuple(place for files, place in self._places.items() if files in chosen)

    def _resident(self, place: Place) -> Resident:
        """Its share of the memory. While it loads or ends it cannot be unloaded, and while it is pinned it stays."""
        runner = place.loaded
        return Resident(
            key=place.files,
            size_bytes=max(place.reserved_bytes, runner.resident_bytes if runner else 0),
            busy=place.admission.busy or not runner or bool(place.unloading) or self._is_kept(place),
            last_used=place.last_used,
        )

    def _is_kept(self, place: Place) -> bool:
        """Whether it is pinned; not where other files have taken its place."""
        return place.model_id in self._pinned and self._newest.get(place.model_id) is place

    def _expire(self, place: Place) -> None:
        if not place.admission.busy and not self._is_kept(place):
            self._unload(place)

    def _unload(self, place: Place) -> "asyncio.Future[None]":
        """End the model's process, in a task that the place owns."""
        if not place.unloading:
            place.unloading = asyncio.create_task(self._close_runner(place))
        return asyncio.shield(place.unloading)

    async def _close_runner(self, place: Place) -> None:
        try:
            if runner := place.loaded:
                await runner.close()
                log.info("model.unloaded", model=place.model_id)
        finally:
            place.runner = place.unloading = None
            self._wake()

    async def _end(self, place: Place) -> None:
        place.stay()
        if place.loading:
            place.loading.cancel()
            await asyncio.wait({place.loading})
        await self._unload(place)

    def _wake(self) -> None:
        """Let everybody who waits for memory look again."""
        self._changed.set()
        self._changed = asyncio.Event()
