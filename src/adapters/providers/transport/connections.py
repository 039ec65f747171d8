"""The connections to one server: kept for the next request, and never more than so many."""

import asyncio
import socket
import ssl
from collections import deque
from typing import Final

from aiohappyeyeballs import start_connection
from attrs import define, field

from ....application.deadlines import Deadlines
from .connection import Connection

NEXT_ADDRESS_S: Final = 0.25
"""After how long another address of a host is tried beside the first (RFC 8305)."""


class NoConnection(Exception):
    """The server cannot be connected to."""


class NoConnectionInTime(NoConnection):
    """It did not let itself be connected to in time."""


@define(eq=False, kw_only=True)
class Connections:
    """Those to `host` and `port`; with `tls` it must show a certificate for that host.

    At most `limit` carry an exchange, and whoever wants one more waits. One that has carried nothing for
    `keep_alive_s` is closed.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    limit: int
    connect_s: float
    keep_alive_s: float
    deadlines: Deadlines
    _busy: int = field(init=False, default=0)
    _idle: deque[Connection] = field(init=False, factory=deque)
    _waiting: "deque[asyncio.Future[None]]" = field(init=False, factory=deque)
    _sweep: asyncio.TimerHandle | None = field(init=False, default=None)

    async def take(self, timeout_s: float, *, fresh: bool = False) -> Connection:
        """A connection for one exchange; `give_back` it afterwards. With `fresh` one that has carried none.

        Raises:
            TimeoutError: all were busy for that long.
            NoConnection: there is none.
        """
        if self._busy < self.limit:
            self._busy += 1
        else:
            await self._seat(timeout_s)
        while self._idle and not fresh:
            if (connection := self._idle.pop()).usable:
                return connection
        try:
            return await self._open()
        except BaseException:
            self._leave()
            raise

    def give_back(self, connection: Connection) -> None:
        """Its exchange has ended: what can carry another is kept, and anything else is closed."""
        loop = asyncio.get_running_loop()
        connection.ended(loop.time())
        if connection.usable:
            self._idle.append(connection)
            if self._sweep is None:
                self._sweep = loop.call_later(self.keep_alive_s, self._swept)
        self._leave()

    def close(self) -> None:
        """Close those that carry nothing."""
        if self._sweep is not None:
            self._sweep.cancel()
        self.limit = max(self.limit, 1)
        while self._idle:
            self._idle.pop().close()

    async def _seat(self, timeout_s: float) -> None:
        """Wait for a busy one's place, which then is ours."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await self.deadlines.wait(place, timeout_s)
        except BaseException:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._leave()  # it was given to us as we stopped to wait
            raise

    def _leave(self) -> None:
        while self._waiting:
            if not (place := self._waiting.popleft()).done():
                place.set_result(None)
                return
        self._busy -= 1

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.connect_s):
                addresses = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
                connected = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_S)
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                hostname = self.host if self.tls else None
                _, connection = await loop.create_connection(
                    Connection, sock=connected, ssl=self.tls, server_hostname=hostname
                )
        except TimeoutError as exc:
            raise NoConnectionInTime from exc
        except (OSError, UnicodeError, RuntimeError) as exc:
            raise NoConnection from exc
        return connection

    def _swept(self) -> None:
        """Close those that have been idle for long, and come again for the others."""
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since >= self.keep_alive_s:
            self._idle.popleft().close()
        self._sweep = None
        if self._idle:
            due = self._idle[0].idle_since + self.keep_alive_s
            self._sweep = loop.call_at(due, self._swept)
