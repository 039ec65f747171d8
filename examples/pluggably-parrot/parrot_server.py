"""A parrot server, for the tests: `python parrot_server.py` prints where it listens."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"


async def squawk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request; a text that begins with a number is answered with that status, `break` breaks off."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    asked = json.loads(await reader.readexactly(int(head.partition("content-length: ")[2].split()[0])))
    heard = re.findall(r"\S+\s?", asked["text"])
    if heard and heard[0].strip().isdigit():
        writer.write(f"HTTP/1.1 {heard[0].strip()} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    else:
        said = heard[: asked.get("words")]
        writer.write(HEAD + b"".join(json.dumps({"word": it}).encode() + b"\n" for it in said))
        if "break" not in heard:
            end = {"end": "stop" if len(said) == len(heard) else "length", "heard": len(heard), "said": len(said)}
            writer.write(json.dumps(end).encode() + b"\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def parrot_server() -> AsyncIterator[str]:
    """Serve; gives the base URL."""
    server = await asyncio.start_server(squawk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def main() -> None:
    async with parrot_server() as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
