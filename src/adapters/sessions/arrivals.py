"""Waiting for events of a session: woken at once by this process's appends, by a poll for those of others."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from attrs import define, field

from ...domain.errors import GatewayError

POLL_S = 0.5

Look = Callable[[Collection[str]], Awaitable[Mapping[str, int]]]
"""The versions that these sessions are at now; one that is gone is left out."""


@define(eq=False)
class Arrivals:
    """Everyone who waits, and the one task that looks for all of them. It lives only while somebody waits."""

    look: Look
    _waiting: dict[str, dict[asyncio.Future[None], int]] = field(init=False, factory=dict)
    _poll: asyncio.Task[None] | None = field(init=False, default=None)

    async def after(self, session_id: str, version: int, timeout_s: float) -> bool:
        """Whether the session got past `version`, or is gone, before the time was over."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session_id, {})[waiter] = version
        if self._poll is None:
            self._poll = asyncio.create_task(self._keep_looking())
        try:
            async with asyncio.timeout(timeout_s):
                self._wake((await self.look((session_id,))), (session_id,))
                await waiter
            return True
        except TimeoutError:
            return False
        finally:
            self._leave(session_id, waiter)

    def tell(self, session_id: str, version: int) -> None:
        """Wake who waits for this version."""
        self._wake({session_id: version}, (session_id,))

    async def close(self) -> None:
        """Wake everyone: what they read next says that the store is closed."""
        self._wake({}, tuple(self._waiting))
        if self._poll:
            self._poll.cancel()
            await asyncio.wait({self._poll})

    def _wake(self, versions: Mapping[str, int], looked_at: Collection[str]) -> None:
        for session_id in looked_at:
            for waiter, version in self._waiting.get(session_id, {}).items():
                if not waiter.done() and not versions.get(session_id, version + 1) <= version:
                    waiter.set_result(None)

    def _leave(self, session_id: str, waiter: asyncio.Future[None]) -> None:
        del self._waiting[session_id][waiter]
        if not self._waiting[session_id]:
            del self._waiting[session_id]
        if not self._waiting and self._poll:
            self._poll.cancel()
            self._poll = None

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            wanted = tuple(self._waiting)
            try:
                self._wake(await self.look(wanted), wanted)
            except GatewayError:  # each waiter reads for itself, and learns what is wrong
                self._wake({}, wanted)
