"""Work that a service does as tasks: submitted, looked at until it is done, its file copied in, or abandoned.

A task is submitted once: services bill each. A look at it that fails for a reason that passes is repeated, with
growing pauses and `Retry-After` honoured. Whoever stops waiting, because the client is gone, the time is over, or it
cannot be looked at, has the service told, if it can be told; that happens in the background, so that nobody waits.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from attrs import field, frozen

from ...domain.errors import GatewayError, GenerationFailed, ProviderBadResponse, ProviderTimeout
from ...domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Progress,
    Started,
)
from ..workspace import in_thread
from .estimates import estimated
from .media_request import folder_of
from .meshes.files import mesh_in
from .result_urls import ResultUrls

STEPS: Final = 100
"""Services say how far a task is in percent."""

FAREWELL_S: Final = 10.0
"""How long the service may take to hear that a task is abandoned."""


class TaskGone(ProviderBadResponse):
    """The provider does not have the task, or has it no more."""

    retryable: ClassVar[bool] = False


@frozen(kw_only=True)
class TaskStatus:
    """What a service says of a task: how many percent of it are done, and in the end its `urls`, by format.

    `failure` is what it failed with.
    """

    percent: int = 0
    done: bool = False
    eta_s: float | None = None
    failure: GatewayError | None = None
    urls: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Pace:
    """How a task is waited for, in seconds.

    Looks are `first_s` apart, later up to `longest_s`. A task that has begun and does not go on for `stalled_s` is
    given up, and any after `deadline_s`. As many as `failures` looks after each other may fail.
    """

    first_s: float = 1
    longest_s: float = 10
    stalled_s: float = 600
    deadline_s: float = 1800
    failures: int = 5


class TaskService(Protocol):
    """A service that makes meshes by tasks, in the words of its own API; `abandons` says whether it can end them."""

    abandons: ClassVar[bool]

    async def submit(self, request: GenerationRequest) -> str:
        """Begin a task, and give what names it from then on; raises `GatewayError`."""
        ...

    async def look(self, task: str) -> TaskStatus:
        """How it is; raises `GatewayError` if that cannot be found out."""
        ...

    async def abandon(self, task: str) -> None:
        """Nobody waits for it any more; raises `GatewayError`."""

    def state(self, task: str, request: GenerationRequest, /) -> BackendState | None:
        """What a later request can go on from."""
        ...


class TaskGenerator:
    """Meshes from such a service."""

    def __init__(self, service: TaskService, urls: ResultUrls, pace: Pace, provider: str) -> None:
        """`urls` is the way to the files of tasks."""
        self._service, self._urls, self._pace, self._provider = service, urls, pace, provider
        self._farewells: set[asyncio.Task[None]] = set()

    async def generate(self, request: GenerationRequest, kind: str) -> AsyncGenerator[GenerationEvent, None]:
        """Submit a task and wait for its mesh, in the format `kind`."""
        path, step = folder_of(request) / "0", 0
        yield Started()
        task, status = await self._submitted(request), TaskStatus()
        try:
            async with aclosing(followed(lambda: self._service.look(task), self._pace, self._provider)) as looks:
                async for status in looks:
                    if step < status.percent < STEPS:
                        step = status.percent
                        yield Progress(step, STEPS, status.eta_s)
        except TaskGone:
            raise
        except BaseException:  # whatever it is, the task may go on, and be billed
            self._say_farewell(self._service.abandon(task))
            raise
        if status.failure is not None:
            raise status.failure
        await self._fetch(task, status, kind, path)
        file = await in_thread(mesh_in, path, kind, self._provider)
        yield Progress(STEPS, STEPS, 0.0)
        yield Completed(
            output=(),
            finish_reason=FinishReason.STOP,
            usage=estimated(request, ()),
            seed=request.parameters.seed,
            state=self._service.state(task, request),
            files=(file,),
        )

    async def close(self) -> None:
        """Wait until the service has heard of what was abandoned; that is bounded."""
        await asyncio.gather(*self._farewells)

    async def _submitted(self, request: GenerationRequest) -> str:
        """Submit it; who leaves meanwhile cannot know what it is called, which is found out to abandon it.

        Where that cannot be done, nothing more is sent: the next thing might be what is billed.
        """
        if not self._service.abandons:
            return await self._service.submit(request)
        submitting = asyncio.ensure_future(self._service.submit(request))
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            self._say_farewell(self._abandon(submitting))
            raise

    async def _abandon(self, submitting: asyncio.Future[str]) -> None:
        await self._service.abandon(await submitting)

    async def _fetch(self, task: str, status: TaskStatus, kind: str, path: Path) -> None:
        """Copy the mesh in; once more from a new URL, if the one that was given does not work: it may be too old."""
        try:
            await self._urls.fetch(self._url(status, kind), path)
        except GenerationFailed:
            await in_thread(path.unlink, True)
            await self._urls.fetch(self._url(await self._service.look(task), kind), path)

    def _url(self, status: TaskStatus, kind: str) -> str:
        if not (url := status.urls.get(kind)):
            raise ProviderBadResponse(detail=f"Provider {self._provider!r} is done, and names no {kind} file.")
        return url

    def _say_farewell(self, words: Coroutine[Any, Any, None]) -> None:
        farewell = asyncio.create_task(_heard(words))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)


async def followed(
    look: Callable[[], Awaitable[TaskStatus]], pace: Pace, provider: str
) -> AsyncGenerator[TaskStatus, None]:
    """Yield each status that is new, last the one that is done or tells its failure.

    Raises:
        ProviderTimeout: the task stands still, or is not done in time.
        GatewayError: it could not be looked at.
    """
    clock = asyncio.get_running_loop().time
    begun = moved = clock()
    latest, failed, pause = TaskStatus(), 0, pace.first_s
    while True:
        try:
            status, failed = await look(), 0
        except GenerationFailed as error:
            failed += 1
            if not error.retryable or failed > pace.failures:
                raise
            status, pause = latest, max(pause, error.retry_after_s or 0)
        if status != latest:
            moved = clock() if status.percent != latest.percent else moved
            latest = status
            yield status
        if status.done or status.failure is not None:
            return
        left = begun + pace.deadline_s - clock()
        stands_still = status.percent > 0 and clock() - moved >= pace.stalled_s
        if left <= 0 or stands_still:
            what = f"has stood at {status.percent} % for too long" if stands_still else "is not done in time"
            raise ProviderTimeout(detail=f"A task at provider {provider!r} {what}.")
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, max(pace.longest_s, pace.first_s))


async def _heard(words: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(GatewayError, TimeoutError):
        await asyncio.wait_for(words, FAREWELL_S)
