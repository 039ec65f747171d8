"""A server of files with every fault that a download may meet, and a note of all that was asked of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from attrs import define, field

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE = 65_536


@define
class Asked:
    """One request: what it asked for, its headers, and how many bytes of the answer it was given."""

    path: str
    headers: dict[str, str]
    start: int = 0
    sent: int = 0


@define
class Served:
    """A file, and what is wrong with its server.

    `breaks` has how many bytes each next answer has before it breaks off, `stalls` the same before it says nothing
    more; None is a whole answer, as are all when the list is over.
    """

    content: bytes
    etag: str | None = '"1"'
    ranges: bool = True
    announces: bool = True
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    breaks: list[int | None] = field(factory=list)
    stalls: list[int | None] = field(factory=list)
    too_long: int = 0
    obeys_if_range: bool = True
    pause_s: float = 0.0
    """How long it waits after each 64 KiB: then its readers keep up, and nothing is in sockets."""
    refusals: list[int] = field(factory=list)
    """Statuses of the next answers."""


@define
class FileServer:
    """`files` by their paths, `redirects` from paths to URLs."""

    files: dict[str, Served] = field(factory=dict)
    redirects: dict[str, str] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    origin: str = ""
    open_connections: int = 0
    gate: asyncio.Event = field(factory=asyncio.Event)
    """What stalls waits for this."""

    @property
    def sent_bytes(self) -> int:
        """How many bytes of content went out."""
        return sum(it.sent for it in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer((await reader.readuntil(b"\r\n\r\n")).decode(), reader, writer)
        finally:
            self.open_connections -= 1
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        path = first.split()[1].partition("?")[0]
        self.asked.append(asked := Asked(path, headers))
        if location := self.redirects.get(path):
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
        elif (file := self.files.get(path)) is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        elif file.refusals or file.status != 200:
            status = file.refusals.pop(0) if file.refusals else file.status
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{_lines(file.headers)}\r\n".encode())
        else:
            await self._send(file, asked, headers, reader, writer)
        await writer.drain()

    async def _send(self, file, asked, headers, reader, writer) -> None:
        wanted = _RANGE.fullmatch(headers.get("range", "")) if file.ranges else None
        if wanted and file.obeys_if_range and headers.get("if-range") not in (None, file.etag):
            wanted = None
        size = len(file.content)
        start = int(wanted[1]) if wanted else 0
        stop = min(int(wanted[2]) + 1, size) if wanted and wanted[2] else size
        if wanted and start >= size:
            writer.write(f"HTTP/1.1 416 No\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        asked.start = start
        lines = {"Content-Length": stop - start + file.too_long} if file.announces else {"Connection": "close"}
        if wanted:
            lines["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if file.etag:
            lines["ETag"] = file.etag
        status = "206 Partial Content" if wanted else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\n{_lines(lines | file.headers)}\r\n".encode())
        probe = stop - start == 1 and size > 1
        break_at = None if probe or not file.breaks else file.breaks.pop(0)
        stall_at = None if probe or not file.stalls else file.stalls.pop(0)
        end = min(it for it in (stop, *(start + it for it in (break_at, stall_at) if it is not None)))
        for at in range(start, end, _PIECE):
            piece = file.content[at : min(at + _PIECE, end)]
            writer.write(piece)
            await writer.drain()
            asked.sent += len(piece)
            if file.pause_s:
                await asyncio.sleep(file.pause_s)
        if stall_at is not None:
            leaving = asyncio.ensure_future(reader.read())
            opening = asyncio.ensure_future(self.gate.wait())
            await asyncio.wait({leaving, opening}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            opening.cancel()


def _lines(headers: dict[str, object]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


@asynccontextmanager
async def serving(**files: Served | bytes) -> AsyncIterator[FileServer]:
    """Serve files by their names, in which `__` stands for a dot."""
    server = FileServer(
        {f"/{name.replace('__', '.')}": it if isinstance(it, Served) else Served(it) for name, it in files.items()}
    )
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        server.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server
        server.gate.set()
