"""Our own client of HTTP, on the service's loop and on Python's own: what it takes and what it refuses."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from yarl import URL

from pluggably.adapters.egress import direct
from pluggably.domain.errors import UrlUnavailable
from tests.certificates import a_certificate
from tests.download_builders import noise

BODY = noise(11, 5_000_000)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(BODY)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run(work):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(work, 30))

    return run


@asynccontextmanager
async def answering(*pieces: bytes, tls: ssl.SSLContext | None = None, heads: list[bytes] | None = None):
    """A server that sends these pieces, each by itself, and leaves; gives its port."""

    begun: list[asyncio.Task | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.002)
            if not pieces:
                await reader.read()  # says nothing, until the client leaves
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await asyncio.gather(*(it for it in begun if it))


async def fetched(*pieces: bytes, host="127.0.0.1", path="/a", silence_s=5.0, **facts) -> tuple[int, bytes]:
    scheme = "https" if facts.get("tls") else "http"
    async with answering(*pieces, **facts) as port:
        url = URL(f"{scheme}://{host}:{port}{path}")
        async with direct.get(url, ["127.0.0.1"], {"Range": "bytes=0-"}, silence_s) as response:
            return response.status, b"".join([bytes(chunk) async for chunk in _chunks(response)])


async def _chunks(response: direct.DirectResponse) -> AsyncIterator[memoryview]:
    if response.content_length:
        async for chunk in response.chunks():
            yield chunk


@pytest.mark.parametrize("cut", [1, 17, len(OK) + 1, len(OK) + 2, 100, 2**20, 2**20 + 63])
def test_an_answer_is_whole_wherever_it_is_cut(run, cut):
    whole = OK + b"\r\n" + BODY
    assert run(fetched(whole[:cut], whole[cut:])) == (200, BODY)


def test_what_a_server_sends_behind_the_body_is_not_taken(run):
    assert run(fetched(OK + b"\r\n" + BODY + b"HTTP/1.1 200 OK\r\n\r\n")) == (200, BODY)


def test_answers_that_are_not_the_last_are_passed_over(run):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert run(fetched(b"HTTP/1.1 100 Continue\r\n\r\n" + hints, hints + OK + b"\r\n" + BODY)) == (200, BODY)


def test_the_request_names_the_host_and_asks_for_the_file_as_it_is(run):
    heads: list[bytes] = []
    run(fetched(OK + b"\r\n" + BODY, path="/a%20b?c=d%2Fe", heads=heads))
    lines = heads[0].decode().lower().split("\r\n")
    assert lines[0] == "get /a%20b?c=d/e http/1.1"
    assert {"accept-encoding: identity", "connection: close", "range: bytes=0-"} <= set(lines)
    assert any(line.startswith("host: 127.0.0.1:") for line in lines)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 2**17 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Len",
    ],
)
def test_what_is_no_whole_answer_is_refused(run, answer):
    with pytest.raises(UrlUnavailable):
        run(fetched(answer))


@pytest.mark.parametrize("length", [b"Transfer-Encoding: chunked\r\n", b"", b"Content-Length: -1\r\n"])
def test_a_body_without_a_length_is_not_read(run, length):
    assert run(fetched(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n1\r\na\r\n0\r\n\r\n")) == (200, b"")


def test_a_header_cannot_be_smuggled_in(run):
    async def smuggle():
        async with answering(b"") as port:
            url = URL(f"http://127.0.0.1:{port}/")
            async with direct.get(url, ["127.0.0.1"], {"If-Range": '"a"\r\nX: y'}, 5):
                pass

    with pytest.raises(UrlUnavailable):
        run(smuggle())


def test_a_server_that_says_nothing_is_given_up(run):
    async def silent():
        async with answering() as port:
            url = URL(f"http://127.0.0.1:{port}/")
            async with direct.get(url, ["127.0.0.1"], {}, 0.05):
                pass

    with pytest.raises(UrlUnavailable):
        run(silent())


def test_a_server_that_is_slow_is_not_silent_and_what_came_is_handed_on(run):
    async def slowly():
        drops = [b"x"] * 40
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
        async with answering(head, *drops) as port:
            url = URL(f"http://127.0.0.1:{port}/")
            async with direct.get(url, ["127.0.0.1"], {}, 0.05) as response:
                return [len(chunk) async for chunk in response.chunks()]

    assert sum(run(slowly())) == 40


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """A server for models.test, and whom the client trusts: nobody, unless it is told to."""

    def tls(host: str = "models.test", *, trusted: bool = True) -> ssl.SSLContext:
        context = a_certificate(tmp_path / "server.pem", host)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        return context

    direct._tls.cache_clear()
    yield tls
    direct._tls.cache_clear()


def test_a_file_comes_by_tls_from_the_address_that_was_chosen(run, tls):
    assert run(fetched(OK + b"\r\n", BODY, host="models.test", tls=tls())) == (200, BODY)


@pytest.mark.parametrize(("host", "trusted"), [("models.test", False), ("other.test", True)])
def test_a_server_without_a_certificate_for_the_host_is_asked_for_nothing(run, tls, host, trusted):
    heads: list[bytes] = []
    with pytest.raises(UrlUnavailable):
        run(fetched(OK + b"\r\n", BODY, host="models.test", tls=tls(host, trusted=trusted), heads=heads))
    assert heads == []
