"""A gateway's link to the cluster: it connects, finds the keeper, and tells it again and again what is at work here."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic

import ray
import structlog
from attrs import define, field
from ray.exceptions import RayError

from ..wire import Failure, to_error
from . import serve_calls
from .application import Application
from .calls import NAMESPACE, Handle, Report, Standing, unreached
from .keeper import find_keeper

REPORT_EVERY_S = 1.0
ANSWER_S = 10.0
"""How long the keeper may take to answer a report."""

START_S = 60.0
"""How long Serve and the keeper may take to begin."""

RETRY_S = 1.0
RESTART_S = 20.0
"""How long a keeper whose node has died is waited for: found dead in five seconds, it begins on another one."""
GIVE_UP_S = 30.0
"""A cluster that was not reached for so long is connected to anew: it may be another one. Until then requests go on
with what is known: they need neither the keeper nor the cluster's head."""

log = structlog.get_logger()


@define(eq=False, kw_only=True)
class Link:
    """To one cluster; `report` gives what the keeper is told. Nothing here blocks the event loop."""

    address: str
    report: Callable[[], Report]
    standings: Mapping[str, Standing] = field(init=False, factory=dict)
    _keeper: Handle = field(init=False, default=None)
    _owns_connection: bool = field(init=False, default=False)
    _connecting: asyncio.Task[None] | None = field(init=False, default=None)
    _reporting: asyncio.Task[None] | None = field(init=False, default=None)
    _handles: dict[str, Handle] = field(init=False, factory=dict)
    _news: asyncio.Event = field(init=False, factory=asyncio.Event)

    def begin(self) -> None:
        """Connect, and report from then on, in tasks that this owns."""
        self._reporting = self._reporting or asyncio.create_task(self._report_again_and_again())

    def tell(self) -> None:
        """Report at once: something changed."""
        self.begin()
        self._news.set()

    async def load(self, application: Application, room_wait_s: float) -> None:
        """Return once the application runs; wait so many seconds for busy models to make room.

        Raises:
            GatewayError: it does not; says why.
        """
        await self._ask("load", application, room_wait_s)

    async def unload(self, model_id: str) -> None:
        """Return once no application of the model is there any more.

        Raises:
            ModelBusy: some gateway has requests there.
        """
        await self._ask("unload", model_id)

    def runs(self, application: Application) -> bool:
        """Whether it does, as far as is known here."""
        return (it := self.standings.get(application.name)) is not None and it.state == "loaded"

    def gone(self, application: Application) -> None:
        """Believe that it does not run, whatever the keeper said last."""
        self.standings = {name: it for name, it in self.standings.items() if name != application.name}

    async def handle_of(self, application: Application) -> Handle:
        """What sends requests to an application that runs."""
        name = application.name
        if name not in self._handles:
            self._handles[name] = await asyncio.to_thread(serve_calls.handle_of, name)
        return self._handles[name]

    async def close(self) -> None:
        """Take leave of the keeper, and disconnect."""
        for task in filter(None, (self._reporting, self._connecting)):
            task.cancel()
            await asyncio.wait({task})
        if self._keeper:
            with suppress(Exception):  # if it does not hear of it, it finds out
                async with asyncio.timeout(ANSWER_S):
                    await self._keeper.leave.remote(self.report().gateway)
        await asyncio.to_thread(self._disconnect)

    async def _ask(self, method: str, *arguments: object) -> None:
        deadline = monotonic() + RESTART_S
        while True:
            await self._connected()
            try:
                failure = await self._answer(method, *arguments)
                break
            except (RayError, TimeoutError) as error:  # asked twice, it does no more than once
                if monotonic() > deadline:
                    raise unreached() from error
            await asyncio.sleep(RETRY_S)
        if failure:
            raise to_error(failure)

    async def _answer(self, method: str, *arguments: object) -> Failure | None:
        keeper = self._keeper
        if keeper is None:
            raise TimeoutError
        await self._report()  # or what has just ended here would still be taken for busy
        failure: Failure | None = await getattr(keeper, method).remote(*arguments)
        await self._report()
        return failure

    async def _report(self) -> None:
        async with asyncio.timeout(ANSWER_S):  # not `wait_for`, which may lose a cancellation in Python 3.11
            if self._keeper is not None:  # else it is being looked for
                self.standings = await self._keeper.report.remote(self.report())

    async def _report_again_and_again(self) -> None:
        reached = monotonic()
        while True:
            self._news.clear()
            try:
                await self._connected()
                await self._report()
                reached = monotonic()
            except Exception as error:  # it must go on, whatever Ray has to say
                log.warning("ray.not_reached", error=str(error) or type(error).__name__)
                self._keeper = None
                if monotonic() - reached > GIVE_UP_S:
                    await asyncio.to_thread(self._disconnect)
                await asyncio.sleep(RETRY_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_EVERY_S):
                    await self._news.wait()

    async def _connected(self) -> None:
        """Be connected, and know the keeper.

        Raises:
            ModelLoading: the cluster does not answer.
        """
        if self._keeper is None:
            self._connecting = self._connecting or asyncio.create_task(self._connect_in_thread())
            await asyncio.shield(self._connecting)

    async def _connect_in_thread(self) -> None:
        try:
            await asyncio.to_thread(self._connect)
            _take_sigterm_back()
            log.info("ray.connected", address=self.address)
        except Exception as error:  # Ray has no class for them
            raise unreached() from error
        finally:
            self._connecting = None

    def _connect(self) -> None:
        if not ray.is_initialized():
            ray.init(address=self.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING)
            self._owns_connection = True
        keeper = find_keeper()
        ray.get(keeper.__ray_ready__.remote(), timeout=START_S)
        serve_calls.start()
        self._keeper = keeper

    def _disconnect(self) -> None:
        self._keeper, self.standings = None, {}
        self._handles.clear()
        if self._owns_connection:
            self._owns_connection = False
            ray.shutdown()


def _take_sigterm_back() -> None:
    """Ray puts a handler of its own before the service's, which writes a stack trace into the log."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
