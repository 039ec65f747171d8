"""The one owner of all model applications of a cluster: an actor of its own, found by its name, outliving gateways.

Gateways ask it to load and to unload, and tell it again and again which of their requests are where. So it knows what
is idle for all of them together: it deletes what nobody used for `keep_alive_s`, and what has to make room for another
model. Requests do not go through it: while it is gone, what is loaded goes on. When it comes back, Serve tells it what
there is, and the gateways what is used, within a second.

When there are neither gateways nor applications for `ORPHANED_S`, it goes too, and leaves nothing.
"""

import asyncio
from collections.abc import Collection, Mapping
from time import monotonic

import ray
from attrs import define, evolve, field

from ....domain.errors import ModelBusy, Overloaded, RunnerCrashed, RunnerOutOfMemory
from ..wire import Failure, to_error, to_failure
from . import serve_calls
from .application import Application, model_of
from .calls import KEEPER, NAMESPACE, Handle, Report, Standing
from .serve_calls import Deployed

LOOK_EVERY_S = 0.2
"""How often is looked whether an application that begins runs by now."""
TEND_EVERY_S = 1.0
SILENT_S = 10.0
"""A gateway that says nothing for so long is not there any more."""
LEAST_IDLE_S = 3.0
"""Between the end of a load and the first request, or its report, nothing may be taken for idle."""
ORPHANED_S = 600.0
"""When no gateway is there for so long, even what was to be kept goes."""
ROOM_S = 1.0
"""How long a node may take to become free after a model was unloaded, before another one is."""
START_S = 30.0
"""How long the process of a replica may take to begin."""
LOST_S = 30.0
"""An application without a replica for so long is deleted: its requests then fail, and the next one looks for room."""


@define(eq=False)
class Kept:
    """An application, and when it was used, or had a replica, last."""

    used: float = field(factory=monotonic)
    ran: float = field(factory=monotonic)
    loading: asyncio.Task[None] | None = None
    unloading: asyncio.Task[None] | None = None
    placed: asyncio.Event = field(factory=asyncio.Event)
    failed: "asyncio.Future[Failure] | None" = None
    standing: Standing = field(factory=lambda: Standing(state="loading", replicas=0))


class ModelKeeper:
    """The actor; all its methods run on one event loop."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Ray awaits it
        """Find what there is, and begin to look after it."""
        self._applications: dict[str, Kept] = {}
        self._newest: dict[str, str] = {}
        self._reports: dict[str, tuple[float, Report]] = {}
        self._keep_alive_s = ORPHANED_S
        self._alone_since = monotonic()
        self._room = asyncio.Lock()
        await asyncio.to_thread(serve_calls.start)
        self._see(await asyncio.to_thread(serve_calls.deployed))
        self._tending = asyncio.create_task(self._tend())

    async def report(self, report: Report) -> Mapping[str, Standing]:
        """Hear of a gateway's requests, and tell it how the applications are."""
        before = self._reports.get(report.gateway)
        self._reports[report.gateway] = monotonic(), report
        self._keep_alive_s = report.keep_alive_s
        self._used(report.requests, before[1].requests if before else ())
        return {name: it.standing for name, it in self._applications.items()}

    async def leave(self, gateway: str) -> None:
        """Forget a gateway."""
        self._reports.pop(gateway, None)

    async def load(self, application: Application, room_wait_s: float) -> Failure | None:
        """Return once the application runs, or with the reason why it does not; see `Link.load`."""
        name = application.name
        self._newest[application.model_id] = name
        if (kept := self._applications.get(name)) and kept.unloading:
            await asyncio.shield(kept.unloading)
        kept = self._applications.setdefault(name, Kept())
        kept.used = monotonic()
        if kept.standing.state != "loaded" and not kept.loading:
            kept.loading = asyncio.create_task(self._load(application, kept, room_wait_s))
        try:
            if kept.loading:
                await asyncio.shield(kept.loading)
        except Exception as error:
            return to_failure(error)
        return None

    async def unload(self, model_id: str) -> Failure | None:
        """Return once all applications of the model are gone, or with the reason why not."""
        mine = [name for name in self._applications if model_of(name) == model_id]
        if any(self._busy(name) or self._applications[name].loading for name in mine):
            detail = f"Model {model_id!r} works on requests, or loads: unload it when it has ended."
            return to_failure(ModelBusy(detail=detail))
        await asyncio.gather(*map(self._unload, mine))
        return None

    async def placed(self, name: str) -> None:
        """Hear from a replica that it has found a node."""
        if kept := self._applications.get(name):
            kept.placed.set()

    async def could_not_load(self, name: str, failure: Failure) -> None:
        """Hear from a replica that it could not load its model."""
        if (kept := self._applications.get(name)) and kept.failed and not kept.failed.done():
            kept.failed.set_result(failure)

    async def _load(self, application: Application, kept: Kept, room_wait_s: float) -> None:
        name = application.name
        failed = kept.failed = asyncio.get_running_loop().create_future()
        kept.placed.clear()
        try:
            async with self._room:  # until the room that was made is taken, nobody else looks for some
                await self._make_room(application, room_wait_s)
                await asyncio.to_thread(serve_calls.deploy, application)
                await _until_placed(kept, room_wait_s)
            await self._until_it_runs(name, failed)
        except BaseException:
            await asyncio.to_thread(serve_calls.delete, name)
            self._applications.pop(name, None)
            raise
        finally:
            kept.loading = kept.failed = None
            kept.used = kept.ran = monotonic()

    async def _until_it_runs(self, name: str, failed: "asyncio.Future[Failure]") -> None:
        """Wait until it runs.

        Raises:
            GatewayError: it could not be loaded.
        """
        while True:
            await asyncio.wait({failed}, timeout=LOOK_EVERY_S)
            if failed.done():
                raise to_error(failed.result())
            found = await asyncio.to_thread(serve_calls.deployed)
            if (it := found.get(name)) is None or it.failed:
                raise RunnerCrashed(detail="The model's replica ended while it loaded.")
            if it.running:
                self._applications[name].standing = Standing(state="loaded", replicas=it.running)
                return

    async def _make_room(self, application: Application, wait_s: float) -> None:
        resources, replicas = application.resources, application.min_replicas
        if not await asyncio.to_thread(serve_calls.fits_somewhere, resources):
            raise RunnerOutOfMemory(
                detail=f"Model {application.model_id!r} needs about {application.memory_bytes >> 20} MiB, "
                f"{application.cpus:g} CPUs and {application.gpus:g} GPUs of a node; no node of the cluster has them."
            )
        deadline = monotonic() + wait_s
        while not await asyncio.to_thread(serve_calls.has_room, resources, replicas, ROOM_S):
            if leaving := self._least_recently_used(but=application.name):
                await self._unload(leaving)
            elif monotonic() > deadline:
                raise _no_room(wait_s)

    def _least_recently_used(self, but: str) -> str | None:
        idle = [name for name, it in self._applications.items() if name != but and self._may_go(name, it)]
        return min(idle, key=lambda name: self._applications[name].used, default=None)

    def _may_go(self, name: str, kept: Kept, idle_s: float = LEAST_IDLE_S) -> bool:
        at_rest = not (kept.loading or kept.unloading or self._busy(name) or self._pinned(name))
        return at_rest and monotonic() - kept.used >= max(idle_s, LEAST_IDLE_S)

    def _busy(self, name: str) -> bool:
        return any(report.requests.get(name) for _, report in self._reports.values())

    def _pinned(self, name: str) -> bool:
        model_id = model_of(name) or ""
        kept = any(model_id in report.kept for _, report in self._reports.values())
        return kept and self._newest.get(model_id, name) == name

    def _used(self, now: Mapping[str, int], before: Collection[str]) -> None:
        for name in {*now, *before}:
            if kept := self._applications.get(name):
                kept.used = monotonic()

    def _unload(self, name: str) -> "asyncio.Future[None]":
        """Delete an application, in a task that the application owns."""
        kept = self._applications[name]
        if not kept.unloading:
            kept.standing = evolve(kept.standing, state="unloading")
            kept.unloading = asyncio.create_task(self._delete(name, kept))
        return asyncio.shield(kept.unloading)

    async def _delete(self, name: str, kept: Kept) -> None:
        try:
            await asyncio.to_thread(serve_calls.delete, name)
        finally:
            kept.unloading = None
            self._applications.pop(name, None)

    async def _tend(self) -> None:
        """Delete what is idle, or lost, again and again, and go when there is nothing to do any more."""
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            try:
                self._see(await asyncio.to_thread(serve_calls.deployed))
            except Exception:  # noqa: S112 - the cluster is being mended; Ray logs it
                continue
            self._forget_the_silent()
            for name, kept in list(self._applications.items()):
                if self._may_go(name, kept, self._idle_limit_s()) or self._is_lost(kept):
                    self._unload(name)
            if not self._reports and not self._applications and monotonic() - self._alone_since > ORPHANED_S:
                ray.kill(ray.get_runtime_context().current_actor)

    def _forget_the_silent(self) -> None:
        now = monotonic()
        for gateway, (heard, _) in list(self._reports.items()):
            if now - heard > SILENT_S:
                del self._reports[gateway]
        if self._reports:
            self._alone_since = now

    def _idle_limit_s(self) -> float:
        """How long an application may be idle: for ever only while there is a gateway that wants it so."""
        if self._keep_alive_s < 0:
            return float("inf") if self._reports else ORPHANED_S
        return self._keep_alive_s

    def _is_lost(self, kept: Kept) -> bool:
        return not (kept.loading or kept.unloading) and monotonic() - kept.ran > LOST_S

    def _see(self, found: Mapping[str, Deployed]) -> None:
        """Take in what Serve says; an application that nobody told of here was begun before this keeper."""
        for name, it in found.items():
            kept = self._applications.setdefault(name, Kept())
            if it.running:
                kept.ran = monotonic()
            if it.running and not (kept.loading or kept.unloading):
                kept.standing = Standing(state="loaded", replicas=it.running)
            elif not (kept.loading or kept.unloading):
                kept.standing = evolve(kept.standing, replicas=0)
        for name, kept in list(self._applications.items()):
            if name not in found and not (kept.loading or kept.unloading):
                del self._applications[name]


async def _until_placed(kept: Kept, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s + START_S):
            await kept.placed.wait()
    except TimeoutError as exc:
        raise _no_room(wait_s) from exc


def _no_room(wait_s: float) -> Overloaded:
    return Overloaded(
        detail="The models that are busy leave no room for this one on the cluster.", retry_after_s=max(wait_s, 1.0)
    )


def find_keeper() -> Handle:
    """The cluster's keeper, begun if there is none; blocks."""
    options = {"name": KEEPER, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
    actor = ray.remote(ModelKeeper).options(**options, num_cpus=0, max_restarts=-1, max_concurrency=1_000)
    return actor.remote()
