"""An upstream for a gateway in another process: in a thread, with what it was asked, and a canary beside it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attrs import define, field

from .table import DONE, ONE, STOP, TWO, WHOLE


@define
class Stub:
    """Answers every chat; a message with `fail <status>` in it is refused with that status."""

    base_url: str = ""
    heads: list[str] = field(factory=list)
    bodies: list[str] = field(factory=list)
    said: str = ""
    """What a refusal says."""


@contextmanager
def stub() -> Iterator[Stub]:
    known = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            known.heads.append(f"{self.requestline}\n{self.headers}")
            known.bodies.append(body)
            if "fail " in body:
                self._answer(
                    json.dumps({"error": {"message": known.said}}).encode(), int(body.partition("fail ")[2][:3])
                )
            elif json.loads(body).get("stream"):
                events = [f"data: {it if it == DONE else json.dumps(it)}\n\n" for it in (ONE, TWO, STOP, DONE)]
                self._answer("".join(events).encode(), 200, "text/event-stream")
            else:
                self._answer(WHOLE, 200)

        def _answer(self, content: bytes, status: int, media_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Canary:
    """Listens where nobody has any business; `seen` says whether anybody came."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.port = listening.getsockname()[1]

    def seen(self) -> bool:
        """Whether there was a connection since the last time: the kernel takes it, before anybody accepts it."""
        try:
            self._listening.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@contextmanager
def canary() -> Iterator[Canary]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield Canary(listening)
