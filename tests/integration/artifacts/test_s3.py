"""Artifacts in a real S3-compatible store, also when it goes away."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from attrs import evolve

from pluggably.adapters.artifacts.s3 import PART_BYTES, S3ArtifactFiles
from pluggably.domain.errors import GatewayError, NotFound, StoreUnavailable
from tests.contracts.artifact_files import content_of, read
from tests.s3_server import S3Server

LARGE = os.urandom(3 * PART_BYTES + 1)
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def files_in(bucket) -> AsyncIterator[S3ArtifactFiles]:
    files = S3ArtifactFiles(bucket)
    try:
        yield files
    finally:
        await files.close()


@pytest.fixture
async def files(s3):
    async with files_in(s3.bucket()) as files:
        yield files


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


def get(url: str, **headers: str) -> tuple[int, dict, bytes]:
    """As a client does that has nothing but the URL."""
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=10)
    try:
        connection.request("GET", f"{place.path}?{place.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@asynccontextmanager
async def breaking(s3: S3Server, after_bytes: int) -> AsyncIterator[str]:
    """An endpoint in front of the server, which is killed as soon as so many bytes have come through."""
    serving: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        nonlocal after_bytes
        with suppress(OSError), closing(writer):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
                after_bytes -= len(data) if counted else 0
                if after_bytes <= 0 and s3.process.poll() is None:
                    s3.kill()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            inward, outward = await asyncio.open_connection("127.0.0.1", s3.ports["s3"])
        except OSError:  # it is dead
            writer.close()
            return
        await asyncio.gather(pass_on(reader, outward, counted=True), pass_on(inward, writer, counted=False))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        await asyncio.gather(*serving)


async def test_a_large_file_goes_up_in_parts_and_comes_down_whole(files, large):
    content = content_of(LARGE)
    await files.put(large, content)
    assert await read(files, content) == LARGE
    assert await read(files, content, PART_BYTES - 1, 3) == LARGE[PART_BYTES - 1 : PART_BYTES + 2]


@pytest.mark.parametrize("break_after", [100_000, PART_BYTES + 100_000, 3 * PART_BYTES])
async def test_a_store_that_dies_amid_an_upload_has_the_whole_file_or_none(large, break_after):
    content = content_of(LARGE)
    with S3Server() as s3:
        bucket = s3.bucket()
        async with breaking(s3, break_after) as endpoint, files_in(evolve(bucket, endpoint=endpoint)) as files:
            with pytest.raises(StoreUnavailable):
                await files.put(large, content)
        s3.start()
        async with files_in(bucket) as files:
            assert s3.names(bucket) == []
            assert not await files.has(content)
            with pytest.raises(NotFound):
                await read(files, content)
            await files.put(large, content)
            assert await read(files, content) == LARGE


async def test_a_url_of_the_stores_own_needs_no_credentials_and_says_how_to_take_it(files, large):
    content = content_of(LARGE)
    await files.put(large, content)
    url = await files.presigned(
        content, media_type="image/png", disposition='attachment; filename="cat.png"', lifetime=MINUTE
    )
    status, headers, body = get(url)
    assert (status, body) == (200, LARGE)
    assert headers["content-type"] == "image/png"
    assert headers["content-disposition"] == 'attachment; filename="cat.png"'
    status, headers, body = get(url, Range="bytes=5-9")
    assert (status, body) == (206, LARGE[5:10])


@pytest.mark.parametrize("what", ["X-Amz-Signature=", "X-Amz-Expires=6", "response-content-type=image", "contents/"])
async def test_a_url_of_the_stores_own_that_was_altered_is_refused(files, large, what):
    content = content_of(LARGE)
    await files.put(large, content)
    url = await files.presigned(content, media_type="image/png", disposition="attachment", lifetime=MINUTE)
    assert what in url
    altered = url.replace(what, what[:-1] + ("f" if what[-1] != "=" else "=0"))
    assert get(altered)[0] in (400, 403)


async def test_clients_may_reach_the_store_at_another_address(s3):
    async with files_in(s3.bucket(public_endpoint="https://files.example.com")) as files:
        await files.open()
        url = await files.presigned(content_of(b"a"), media_type="a/b", disposition="attachment", lifetime=MINUTE)
    assert url.startswith("https://files.example.com/bucket")


async def test_what_is_wrong_with_a_store_is_said_at_the_start(s3):
    bucket = s3.bucket()
    for wrong, said in (
        (evolve(bucket, name="nowhere"), "'nowhere'"),
        (evolve(bucket, secret_key="hunter2"), "credentials"),
        (evolve(bucket, access_key="nobody"), "credentials"),
    ):
        async with files_in(wrong) as files:
            with pytest.raises(GatewayError, match=said) as refused:
                await files.open()
            assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(evolve(bucket, secret_key="hunter2"))


async def test_a_store_that_is_away_is_said_to_be(s3, large):
    async with files_in(evolve(s3.bucket(), endpoint="http://127.0.0.1:1")) as files:
        for use in (files.open, lambda: files.put(large, content_of(LARGE)), lambda: files.has(content_of(LARGE))):
            with pytest.raises(StoreUnavailable):
                await use()
