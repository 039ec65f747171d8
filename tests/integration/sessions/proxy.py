"""A TCP proxy before PostgreSQL that loses a COMMIT, or the answer to it, and cuts that connection."""

import asyncio
from enum import Enum
from pathlib import Path

from attrs import define, field
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_CHUNK_BYTES = 65_536
_COMMIT, _COMMITTED = b"COMMIT", b"COMMIT\0"  # as it is asked for, and the end of the answer


class Loss(Enum):
    """What does not arrive."""

    COMMIT = "commit"
    ANSWER = "answer"


class Proxy:
    """Forwards everything until it is told to lose something; to be used and left in the loop that it serves in."""

    def __init__(self, url: str) -> None:
        """`url` names a database on a UNIX socket."""
        self._database = url
        self._socket = Path(conninfo_to_dict(url)["host"]) / ".s.PGSQL.5432"
        self._to_lose: list[Loss] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._holds = False
        self.losses = 0
        self.lost = asyncio.Event()

    def lose(self, *losses: Loss, hold: bool = False) -> None:
        """Lose this of the next COMMITs, one after the other; then, if wanted, hold everything until `resume`."""
        self._to_lose += losses
        self._holds = hold

    def resume(self) -> None:
        """Forward again what is held."""
        self._open.set()

    @property
    def url(self) -> str:
        """The database by way of this proxy."""
        return make_conninfo(self._database, host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.current_task())
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        line = _Line(from_client, to_client, from_server, to_server)
        ways = [asyncio.create_task(it) for it in (self._ask(line), self._answer(line))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in (to_client, to_server):
                writer.transport.abort()
            self._connections.remove(asyncio.current_task())

    async def _ask(self, line: "_Line") -> None:
        while chunk := await line.from_client.read(_CHUNK_BYTES):
            await self._open.wait()
            if _COMMIT in chunk and self._to_lose:
                if self._to_lose.pop(0) is Loss.COMMIT:
                    self._count()
                    return
                line.loses_answer = True
            line.to_server.write(chunk)

    async def _answer(self, line: "_Line") -> None:
        answer = b""
        while chunk := await line.from_server.read(_CHUNK_BYTES):
            if not line.loses_answer:
                line.to_client.write(chunk)
            elif _COMMITTED in (answer := answer + chunk):
                self._count()
                return

    def _count(self) -> None:
        self.losses += 1
        self.lost.set()
        if self._holds and not self._to_lose:
            self._open.clear()


@define
class _Line:
    from_client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    from_server: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    loses_answer: bool = field(init=False, default=False)
