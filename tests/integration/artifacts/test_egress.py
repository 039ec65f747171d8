"""Inputs from servers that a client has named: nothing but public ones, and nothing but what was agreed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from gzip import compress

import pytest
from attrs import define, field

from pluggably.adapters.artifacts.egress import GuardedEgress
from pluggably.adapters.egress.guard import MOST_REDIRECTS
from pluggably.domain.errors import ArtifactTooLarge, UrlNotAllowed, UrlUnavailable

PICTURE = bytes(range(256)) * 40
PUBLIC = "93.184.215.14"

_connects: list[tuple] | None = None


def _watch(event: str, arguments: tuple) -> None:
    """Note every connection that Python tries while a test wants to know, and let none of them leave this machine."""
    if event == "socket.connect" and _connects is not None:
        address = arguments[1]
        _connects.append(address[:2])
        if not str(address[0]).startswith("127."):
            raise ConnectionRefusedError("tests connect to nobody else")


sys.addaudithook(_watch)


@pytest.fixture
def connects():
    """The addresses that were connected to."""
    global _connects  # noqa: PLW0603 - an audit hook cannot be taken away
    _connects = []
    yield _connects
    _connects = None


@define
class Server:
    """A server on loopback; `answers` has for each path the bytes to send."""

    answers: dict[str, bytes] = field(factory=dict)
    heads: list[str] = field(factory=list)
    origin: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        answer = self.answers.get(head.split()[1])
        if answer is None:
            await reader.read()  # says nothing, until the client leaves
        else:
            writer.write(answer)
        writer.close()


@asynccontextmanager
async def serving(**answers: bytes) -> AsyncIterator[Server]:
    server = Server({f"/{path}": answer for path, answer in answers.items()})
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        server.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n".encode()


def answering(*answers: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """A name server that answers so, one time after the other."""
    left = list(answers)

    async def lookup(host: str, port: int) -> list[str]:
        return left.pop(0)

    return lookup


@pytest.fixture
def fetch(tmp_path):
    async def fetch(url: str, limit_bytes: int = 2**20, **options) -> bytes:
        egress = GuardedEgress(**options)
        try:
            await egress.fetch(url, tmp_path / "fetched", limit_bytes)
        finally:
            await egress.close()
        return (tmp_path / "fetched").read_bytes()

    return fetch


@pytest.mark.parametrize("plain_http", [True, False])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png",
        "https://127.0.0.1/a.png",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[fe80::1%25lo]/",
        "https://[fd00:ec2::254]/latest/meta-data",
        "https://[64:ff9b::169.254.169.254]/",
        "https://localhost/",
        "https://LocalHost/",
        "https://１２７.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://100.100.100.200/",
        "https://10.0.0.1/",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://224.0.0.1/",
        "https://user:secret@1.1.1.1/",
        "https://user@1.1.1.1/",
        "https://1.1.1.1:22/",
        "https://1.1.1.1:0/",
        "https://1.1.1.1:99999/",
        "http://1.1.1.1:8080/",
        "file:///etc/passwd",
        "ftp://1.1.1.1/a.png",
        "gopher://1.1.1.1/",
        "unix:///run/docker.sock",
        "https:///a.png",
        "https://",
        "//127.0.0.1/",
        "/etc/passwd",
        "a.png",
        "",
        " https://127.0.0.1/",
        "https://1.1.1.1/" + "a" * 10_000,
        "javascript:alert(1)",
        "https://[::1",
    ],
)
async def test_a_hostile_url_is_refused_before_any_connection_is_tried(fetch, connects, url, plain_http):
    with pytest.raises(UrlNotAllowed):
        await fetch(url, plain_http=plain_http)
    assert connects == []


async def test_plain_http_is_refused_unless_it_is_allowed(fetch, connects):
    with pytest.raises(UrlNotAllowed):
        await fetch(f"http://{PUBLIC}/")
    assert connects == []
    with pytest.raises(UrlUnavailable):
        await fetch(f"http://{PUBLIC}/", plain_http=True)
    assert connects == [(PUBLIC, 80)]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["::1", PUBLIC], ["fe80::1%lo"]])
async def test_a_name_with_any_address_that_is_not_public_is_refused(fetch, connects, addresses):
    with pytest.raises(UrlNotAllowed):
        await fetch("https://pictures.test/a.png", lookup=answering(addresses))
    assert connects == []


async def test_the_address_that_was_checked_is_connected_to_whatever_the_name_server_says_next(fetch, connects):
    with pytest.raises(UrlUnavailable):
        await fetch("https://pictures.test/a.png", lookup=answering([PUBLIC], ["127.0.0.1"]))
    assert connects == [(PUBLIC, 443)]


async def test_a_server_of_the_operators_own_is_fetched_from(fetch, connects):
    async with serving(a=ok(PICTURE)) as server:
        assert await fetch(f"{server.origin}/a", private_origins=[server.origin]) == PICTURE


async def test_only_the_very_origin_that_was_named_may_be_private(fetch, connects):
    async with serving(a=ok(PICTURE)) as server, serving(a=ok(PICTURE)) as other:
        port = server.origin.rpartition(":")[2]
        for url in (f"{other.origin}/a", f"https://127.0.0.1:{port}/a", f"http://localhost:{port}/a"):
            with pytest.raises(UrlNotAllowed):
                await fetch(url, private_origins=[server.origin], plain_http=True)
    assert connects == []


@pytest.mark.parametrize("origin", ["https://127.0.0.1:443", "https://127.0.0.1", "https://127.0.0.1/"])
async def test_an_origin_may_say_its_own_port_or_not(fetch, connects, origin):
    for url in ("https://127.0.0.1/a", "https://127.0.0.1:443/a"):
        with pytest.raises(UrlUnavailable):  # nobody is there, or nobody with a certificate
            await fetch(url, private_origins=[origin])
    assert set(connects) == {("127.0.0.1", 443)}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/a",
        "http://localhost:{port}/a",
        "https://127.0.0.1/a",
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "https://user:secret@1.1.1.1/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "https://1.1.1.1:22/",
        "",
    ],
)
async def test_each_redirect_is_checked_like_the_first_url(fetch, connects, location, status):
    async with serving() as server, serving(a=ok(PICTURE)) as other:
        ports = {"port": server.origin.rpartition(":")[2], "other": other.origin.rpartition(":")[2]}
        server.answers["/a"] = redirect(location.format(**ports), status)
        with pytest.raises(UrlNotAllowed):
            await fetch(f"{server.origin}/a", private_origins=[server.origin], plain_http=True)
        assert (len(connects), other.heads) == (1, [])


async def test_a_redirect_is_followed_among_the_operators_own_servers_without_cookies(fetch):
    async with serving(b=ok(PICTURE)) as second, serving(a=redirect("/b#c")) as first:
        first.answers["/b"] = redirect(f"{second.origin}/b")
        assert await fetch(f"{first.origin}/a", private_origins=[first.origin, second.origin]) == PICTURE
        heads = "".join([*first.heads, *second.heads]).lower()
    assert len(first.heads) + len(second.heads) == 3
    assert "cookie" not in heads
    assert "accept-encoding: identity" in heads


async def test_redirects_come_to_an_end(fetch):
    async with serving(a=redirect("/a")) as server:
        with pytest.raises(UrlUnavailable, match="redirects"):
            await fetch(f"{server.origin}/a", private_origins=[server.origin])
        assert len(server.heads) == MOST_REDIRECTS + 1


async def test_no_proxy_of_the_environment_is_asked(fetch, monkeypatch):
    async with serving() as proxy, serving(a=ok(PICTURE)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        assert await fetch(f"{server.origin}/a", private_origins=[server.origin]) == PICTURE
        assert proxy.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        ok(PICTURE),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + bytes(4_096) + b"\r\n" + b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(4_096),
    ],
    ids=["announced", "chunked", "until the end"],
)
async def test_more_than_was_agreed_is_refused(fetch, answer):
    async with serving(a=answer) as server:
        with pytest.raises(ArtifactTooLarge):
            await fetch(f"{server.origin}/a", limit_bytes=4_095, private_origins=[server.origin])


@pytest.mark.parametrize(
    "answer",
    [
        ok(PICTURE, length=len(PICTURE) + 1),
        ok(compress(PICTURE), "Content-Encoding: gzip"),
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx",
        b"nonsense\r\n\r\n",
        b"",
        None,
    ],
    ids=["cut off", "compressed", "not found", "a part", "nonsense", "nothing", "silence"],
)
async def test_what_is_not_a_whole_answer_is_no_input(fetch, answer):
    async with serving() as server:
        server.answers["/a"] = answer
        with pytest.raises(UrlUnavailable):
            await fetch(f"{server.origin}/a", private_origins=[server.origin], timeout_s=0.3)


async def test_a_name_without_an_address_is_unavailable(fetch, connects):
    async def lookup(host, port):
        raise OSError

    with pytest.raises(UrlUnavailable):
        await fetch("https://nowhere.test/", lookup=lookup)
    assert connects == []
