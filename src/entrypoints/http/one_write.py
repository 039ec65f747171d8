"""A connection whose head and body go out together: uvicorn writes them one after the other, each a call of the system.

On loopback such a call costs as much as the checks of a chat request.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

AT_ONCE_BYTES: Final = 2**16
"""From here on nothing is held back: a client that is slow must be noticed."""


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol, on a transport that writes once in each turn of the event loop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to serve."""
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]  # it has all that is used of one


class OneWrite:
    """A transport as uvicorn uses it: what is written in one turn of the event loop is one write to `transport`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Have it written at the end of this turn, or now if much waits."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= AT_ONCE_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what waits, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._held_bytes = self._held, [], 0
            if not self._transport.is_closing():
                self._transport.writelines(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
