"""A service that answers by a script: it speaks our API over a real socket, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Iterable[bytes]


def event(name: str, **data) -> bytes:
    """One server-sent event as the service writes it: characters as they are, not escaped."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def answer(*words: str, finish_reason: str = "stop") -> list[bytes]:
    """The stream of a generation that says these words."""
    usage = {"output_tokens": len(words), "input_tokens": 9, "cached_input_tokens": 4}
    timing = {"total_ms": 1010, "first_output_ms": 10}
    completed = event("completed", usage=usage, timing=timing, finish_reason=finish_reason)
    return [event("started"), *(event("delta", index=0, text=word) for word in words), completed]


class ScriptedService:
    """`answers` gives the stream for what was said; `shown` is what a GET answers.

    `asked` has every request's method, path and body.
    """

    def __init__(self, answers: Callable[[str], Answer]) -> None:
        self.answers = answers
        self.shown = {"id": "ses_1"}
        self.asked: list[tuple[str, str, dict]] = []
        self.left = threading.Event()
        """Set when a client has closed a stream before its end."""


def _handler(service: ScriptedService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            service.asked.append(("GET", self.path, {}))
            if self.path.startswith("/v1/downloads/"):
                self._stream(service.answers(self.path))
            else:
                self._json(200, service.shown)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            service.asked.append(("POST", self.path, body))
            if self.path == "/v1/generations/text":
                self._stream(service.answers(body["input"]))
            elif self.path.endswith("/reset") and len([it for it in service.asked if it[1] == self.path]) > 1:
                self._json(409, {"code": "session_busy", "detail": "Session [ses_1] cannot be reset now."})
            else:
                self._json(200, {"id": "ses_1"})

        def _json(self, status: int, document: dict) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("X-Request-Id", "req_1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, stream: Answer) -> None:
            self.send_response(200)
            self.send_header("X-Request-Id", "req_1")
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for chunk in stream:
                    self.wfile.write(chunk)
            except OSError:
                service.left.set()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]):
    """The address of a server on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def scripted(answers: Callable[[str], Answer]):
    """A scripted service and its address."""
    service = ScriptedService(answers)
    with serving(_handler(service)) as url:
        yield service, url
