"""Files from a real HTTP server with every fault that there is."""

import asyncio
import sys
import time
from hashlib import sha256

import pytest

from pluggably.adapters.downloads.https import HttpSource
from pluggably.adapters.downloads.ranges import HttpFiles
from pluggably.adapters.downloads.transfer import CHUNK_BYTES
from pluggably.adapters.egress.guard import EgressGuard
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.errors import (
    InvalidRequest,
    NotFound,
    SourceForbidden,
    SourceUnreachable,
    UnsafeFile,
    UrlNotAllowed,
)
from tests.download_builders import noise
from tests.download_world import DownloadWorld
from tests.file_server import Served, serving

MIB = 2**20
CONTENT = b"GGUF" + noise(1, 20 * MIB)
OTHER = b"GGUF" + noise(2, 3 * MIB)

_connects: list[tuple] | None = None


def _watch(event: str, arguments: tuple) -> None:
    if event == "socket.connect" and _connects is not None:
        _connects.append(arguments[1][:2])


sys.addaudithook(_watch)


@pytest.fixture
def connects():
    """The addresses that were connected to."""
    global _connects  # noqa: PLW0603 - an audit hook cannot be taken away
    _connects = []
    yield _connects
    _connects = None


@pytest.fixture
def world(tmp_path):
    def world(server, *, silence_s: float = 5, lookup=None, plain_http=True, **options) -> DownloadWorld:
        more = {"lookup": lookup} if lookup else {}
        guard = EgressGuard(plain_http=plain_http, private_origins=[server.origin], **more)
        files = HttpFiles(guard=guard, silence_s=silence_s)
        sources = [HttpSource(files), HttpSource(files, "http")]
        return DownloadWorld(tmp_path / "models", sources, **options)

    return world


def source_of(server, scheme: str = "http") -> HttpSource:
    """A source that may fetch from that server."""
    return HttpSource(HttpFiles(guard=EgressGuard(private_origins=[server.origin]), silence_s=5), scheme)


def stored(world: DownloadWorld) -> bytes:
    return (world.models / "model/model.gguf").read_bytes()


@pytest.mark.parametrize("streams", [1, 4])
async def test_a_file_comes_whole_and_once(world, streams):
    async with serving(model__gguf=CONTENT) as server, world(server, streams=streams).working() as it:
        job = await it.fetched(f"{server.origin}/model.gguf")
        assert (job.status, job.bytes_done) == ("completed", len(CONTENT))
        assert stored(it) == CONTENT
        assert server.sent_bytes == len(CONTENT) + 1  # its size was asked for by one byte
        assert max(it.start for it in server.asked) > 0 or streams == 1


async def test_a_file_of_no_bytes_comes_too(world):
    async with serving(model__txt=b"") as server, world(server).working() as it:
        assert (await it.fetched(f"{server.origin}/model.txt")).status == "completed"
        assert it.visible == ["model/model.txt"]


@pytest.mark.parametrize("streams", [1, 4])
async def test_a_server_that_breaks_off_again_and_again_is_asked_for_the_rest(world, streams):
    file = Served(CONTENT, breaks=[3 * MIB, 2 * MIB, 0, 100, 0, 5 * MIB, 1])
    async with serving(model__gguf=file) as server, world(server, streams=streams).working() as it:
        job = await it.fetched(f"{server.origin}/model.gguf")
        assert (job.status, job.failure) == ("completed", None)
        assert stored(it) == CONTENT
        assert server.sent_bytes <= len(CONTENT) + 1 + 4 * CHUNK_BYTES  # what was on its way when it broke off


async def test_a_server_that_falls_silent_is_left_and_asked_again(world):
    file = Served(CONTENT, stalls=[2 * MIB, 0])
    async with serving(model__gguf=file) as server, world(server, silence_s=0.2, streams=1).working() as it:
        assert (await it.fetched(f"{server.origin}/model.gguf")).status == "completed"
        assert stored(it) == CONTENT


async def test_a_server_that_never_gives_more_is_given_up_and_what_came_is_kept(world):
    file = Served(CONTENT, breaks=[3 * MIB, *[0] * 100])
    async with serving(model__gguf=file) as server, world(server, streams=1).working() as it:
        job = await it.fetched(f"{server.origin}/model.gguf")
        assert (job.status, job.failure.code, job.failure.retryable) == ("failed", "source_unreachable", True)
        assert it.visible == []
        file.breaks.clear()
        await it.downloads.resume(job.id, LOCAL_OPERATOR)
        await it.ended(await it.store.get(job.id))
        assert stored(it) == CONTENT
        assert server.asked[-1].start >= 2 * MIB  # what was received and not written when it broke off is lost


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_that_is_busy_is_asked_again(world, status):
    file = Served(CONTENT)
    async with serving(model__gguf=file) as server, world(server, streams=1).working() as it:
        job = await it.create(f"{server.origin}/model.gguf")
        file.refusals += [status, status]
        assert (await it.ended(job)).status == "completed"


@pytest.mark.parametrize("streams", [1, 4])
async def test_a_server_without_ranges_is_read_from_the_beginning(world, streams):
    file = Served(CONTENT, ranges=False, breaks=[None, 5 * MIB])
    async with serving(model__gguf=file) as server, world(server, streams=streams).working() as it:
        assert (await it.fetched(f"{server.origin}/model.gguf")).status == "completed"
        assert stored(it) == CONTENT


async def test_a_server_without_ranges_that_always_breaks_off_is_given_up(world):
    file = Served(CONTENT, ranges=False, breaks=[None, *[5 * MIB] * 100])
    async with serving(model__gguf=file) as server, world(server).working() as it:
        job = await it.fetched(f"{server.origin}/model.gguf")
        assert (job.status, it.visible) == ("failed", [])


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', None])
async def test_a_file_that_changes_on_the_way_is_begun_anew(world, etag):
    file = Served(CONTENT, etag=etag, breaks=[6 * MIB])
    async with serving(model__gguf=file) as server, world(server, streams=1, limit_bytes_per_s=8 * MIB).working() as it:
        job = await it.running(await it.create(f"{server.origin}/model.gguf"))
        file.content, file.etag = OTHER, etag and etag.replace("1", "2")
        job = await it.ended(job)
        assert (job.status, job.bytes_total) == ("completed", len(OTHER))
        assert stored(it) == OTHER


@pytest.mark.parametrize("obedient", [True, False], ids=["told by the server", "found out"])
async def test_a_file_that_changed_while_the_download_was_paused_is_begun_anew(world, obedient):
    file = Served(CONTENT, stalls=[6 * MIB], obeys_if_range=obedient)
    async with serving(model__gguf=file) as server, world(server, streams=1).working() as it:
        job = await it.running(await it.create(f"{server.origin}/model.gguf"), 5 * MIB)
        await it.downloads.pause(job.id, LOCAL_OPERATOR)
        file.content, file.etag = bytes(reversed(CONTENT)), '"2"'
        file.content = b"GGUF" + file.content[4:]
        await it.downloads.resume(job.id, LOCAL_OPERATOR)
        await it.ended(job)
        assert stored(it) == file.content


async def test_a_wrong_checksum_is_told_and_nothing_is_kept(world):
    wrong = sha256(OTHER).hexdigest()
    async with serving(model__gguf=CONTENT) as server, world(server).working() as it:
        job = await it.fetched(f"{server.origin}/model.gguf", sha256={"model.gguf": wrong})
        assert (job.status, job.failure.code) == ("failed", "checksum_mismatch")
        assert wrong in job.failure.detail
        assert (it.visible, it.partial) == ([], [])


async def test_a_damaged_partial_file_is_found_out_and_fetched_anew(world):
    file = Served(CONTENT, stalls=[6 * MIB])
    right = {"model.gguf": sha256(CONTENT).hexdigest()}
    async with serving(model__gguf=file) as server, world(server, streams=1).working() as it:
        job = await it.running(await it.create(f"{server.origin}/model.gguf", sha256=right), 5 * MIB)
        await it.downloads.pause(job.id, LOCAL_OPERATOR)
        (partial,) = it.models.glob(".downloads/*/0.part")
        with partial.open("r+b") as damaged:
            damaged.seek(MIB)
            damaged.write(bytes(1_000))
        await it.downloads.resume(job.id, LOCAL_OPERATOR)
        assert (await it.ended(job)).status == "completed"
        assert stored(it) == CONTENT


async def test_more_bytes_than_announced_are_not_taken(world):
    async with serving(model__gguf=Served(CONTENT, too_long=500)) as server, world(server, streams=1).working() as it:
        assert (await it.fetched(f"{server.origin}/model.gguf")).status == "completed"
        assert stored(it) == CONTENT


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (Served(CONTENT, ranges=False, announces=False), SourceForbidden),
        (Served(CONTENT, headers={"Content-Encoding": "gzip"}), SourceForbidden),
        (Served(CONTENT, status=401), SourceForbidden),
        (Served(CONTENT, status=403), SourceForbidden),
        (Served(CONTENT, status=404), NotFound),
        (Served(CONTENT, status=410), NotFound),
        (Served(CONTENT, status=500), SourceUnreachable),
        (Served(CONTENT, status=400), SourceForbidden),
    ],
)
async def test_what_cannot_be_had_is_told_at_once(world, file, error):
    async with serving(model__gguf=file) as server, world(server).working() as it:
        with pytest.raises(error):
            await it.create(f"{server.origin}/model.gguf")


async def test_nobody_there_is_told_at_once(world):
    async with serving() as server:
        pass
    async with world(server).working() as it:
        with pytest.raises(SourceUnreachable):
            await it.create(f"{server.origin}/model.gguf")


@pytest.mark.parametrize("path", ["", "/", "/folder/", "/.hidden", "/a%00b.gguf", "/a%2Fb%5Cc.gguf", "/a.gguf%0A"])
async def test_a_url_without_a_name_that_can_be_used_is_refused(world, path):
    async with serving() as server, world(server).working() as it:
        server.files |= {name: Served(CONTENT) for name in ("/", "/.hidden", "/a%00b.gguf", "/a%2Fb%5Cc.gguf")}
        server.files["/a.gguf%0A"] = Served(CONTENT)
        with pytest.raises((InvalidRequest, UnsafeFile, UrlNotAllowed)):
            await it.create(f"{server.origin}{path}")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/model.gguf",
        "http://localhost:{other}/model.gguf",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data",
        "https://10.0.0.1/model.gguf",
        "https://metadata.test/model.gguf",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["at first", "later"])
async def test_a_redirect_to_a_private_address_is_refused_before_any_connection(world, connects, location, late):
    async def lookup(host, port):
        return ["169.254.169.254"] if host == "metadata.test" else ["127.0.0.1"]

    async with serving(model__gguf=CONTENT) as other, serving(model__gguf=CONTENT) as server:
        target = location.format(other=other.origin.rpartition(":")[2])
        async with world(server, lookup=lookup).working() as it:
            if late:
                job = await it.create(f"{server.origin}/model.gguf")
                server.redirects["/model.gguf"] = target
                ended = await it.ended(job)
                assert (ended.status, ended.failure.code) == ("failed", "url_not_allowed")
            else:
                server.redirects["/model.gguf"] = target
                with pytest.raises(UrlNotAllowed):
                    await it.create(f"{server.origin}/model.gguf")
        mine = ("127.0.0.1", int(server.origin.rpartition(":")[2]))
        assert {address for address in connects if address[0] != "/dev/log"} == {mine}
        assert (other.asked, it.visible) == ([], [])


async def test_a_redirect_among_the_operators_own_servers_is_followed(world):
    async with serving(model__gguf=CONTENT) as server, world(server).working() as it:
        server.redirects["/latest.gguf"] = "/model.gguf"
        assert (await it.fetched(f"{server.origin}/latest.gguf")).status == "completed"
        assert (it.models / "latest/latest.gguf").read_bytes() == CONTENT


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_every_connection_is_let_go_when_it_is_paused_or_cancelled(world, verb):
    file = Served(CONTENT, stalls=[2 * MIB] * 10)
    async with serving(model__gguf=file) as server, world(server, silence_s=60).working() as it:
        job = await it.running(await it.create(f"{server.origin}/model.gguf"), 2 * MIB)
        assert server.open_connections > 0
        begun = time.monotonic()
        await getattr(it.downloads, verb)(job.id, LOCAL_OPERATOR)
        while server.open_connections:
            await asyncio.sleep(0.001)
        took_s = time.monotonic() - begun
        assert (it.partial == []) == (verb == "cancel")
    assert took_s < 1  # what is promised; it takes milliseconds


async def test_the_rate_is_what_the_operator_allows(world):
    async with serving(model__gguf=OTHER) as server, world(server, limit_bytes_per_s=6 * MIB).working() as it:
        begun = time.monotonic()
        await it.fetched(f"{server.origin}/model.gguf")
        assert time.monotonic() - begun >= 0.45  # three megabytes


async def test_a_pickle_is_refused_as_soon_as_its_beginning_is_seen(world):
    pickle = b"\x80\x04\x95" + CONTENT
    async with serving(model__txt=Served(pickle)) as server, world(server, streams=1).working() as it:
        job = await it.fetched(f"{server.origin}/model.txt")
        assert (job.status, job.failure.code) == ("failed", "unsafe_file")
        assert server.sent_bytes < len(pickle)
        await it.worker.stop(job.id)
        assert (it.visible, it.partial) == ([], [])
