"""What every `ArtifactFiles` promises; a test module per adapter subclasses this and provides the fixture `files`."""

import itertools
import os
from contextlib import aclosing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.application.artifact_ports import ArtifactFiles
from pluggably.domain.artifact import Content
from pluggably.domain.errors import GatewayError, NotFound

LARGE = os.urandom(700_001)
_NUMBERS = itertools.count()
_ON_ONE_STORE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],  # one class a store
)


def content_of(data: bytes) -> Content:
    return Content(sha256=sha256(data).hexdigest(), size_bytes=len(data))


async def read(files: ArtifactFiles, content: Content, start: int = 0, length: int | None = None) -> bytes:
    length = content.size_bytes - start if length is None else length
    async with aclosing(files.read(content, start, length)) as pieces:
        return b"".join([piece async for piece in pieces])


class ArtifactFilesContract:
    """Fixtures to provide: `files`, opened, and closed afterwards."""

    @pytest.fixture
    def files(self) -> ArtifactFiles:
        raise NotImplementedError

    @pytest.fixture
    def put(self, files, tmp_path):
        async def put(data: bytes, content: Content | None = None) -> Content:
            path = tmp_path / f"file{next(_NUMBERS)}"
            path.write_bytes(data)
            await files.put(path, content or content_of(data))
            assert path.read_bytes() == data  # it is copied
            return content_of(data)

        return put

    @pytest.mark.parametrize("data", [b"", b"a", LARGE], ids=["empty", "small", "large"])
    async def test_what_was_put_is_there_and_can_be_read(self, files, put, data):
        content = await put(data)
        assert await files.has(content)
        assert await read(files, content) == data

    async def test_what_was_not_put_is_not_there(self, files, put, tmp_path):
        await put(b"a")
        absent = content_of(b"b")
        assert not await files.has(absent)
        for use in (lambda: read(files, absent), lambda: files.copy(absent, tmp_path / "copy")):
            with pytest.raises(NotFound):
                await use()

    async def test_the_same_content_can_be_put_again(self, files, put):
        content = await put(LARGE)
        await put(LARGE)
        assert await read(files, content) == LARGE

    @_ON_ONE_STORE
    @given(start=st.integers(0, len(LARGE) - 1), data=st.data())
    async def test_a_part_is_the_slice(self, files, put, start, data):
        length = data.draw(st.integers(1, len(LARGE) - start))
        content = content_of(LARGE)
        if not await files.has(content):
            await put(LARGE)
        assert await read(files, content, start, length) == LARGE[start : start + length]

    async def test_pieces_are_small(self, files, put):
        content = await put(LARGE)
        async with aclosing(files.read(content, 0, len(LARGE))) as pieces:
            assert max([len(piece) async for piece in pieces]) <= 2**18

    async def test_a_reader_may_leave_early(self, files, put):
        content = await put(LARGE)
        async with aclosing(files.read(content, 0, len(LARGE))) as pieces:
            await anext(pieces)
        assert await read(files, content) == LARGE

    async def test_a_file_that_is_another_content_is_refused_and_not_there(self, files, put):
        for announced in (content_of(LARGE[:-1] + b"x"), content_of(LARGE[:-1])):
            with pytest.raises(GatewayError):
                await put(LARGE, announced)
            assert not await files.has(announced)

    async def test_a_link_is_not_followed(self, files, tmp_path):
        secret, link = tmp_path / "secret", tmp_path / "link"
        secret.write_bytes(b"secret")
        link.symlink_to(secret)
        with pytest.raises(GatewayError):
            await files.put(link, content_of(b"secret"))

    async def test_it_is_copied_to_where_an_engine_reads_it(self, files, put, tmp_path):
        content, target = await put(LARGE), tmp_path / "copy"
        await files.copy(content, target)
        assert target.read_bytes() == LARGE
        target.write_bytes(b"whatever an engine does to it")
        assert await read(files, content) == LARGE

    async def test_what_was_deleted_is_gone_and_deleting_twice_is_the_same_as_once(self, files, put):
        content, other = await put(LARGE), await put(b"other")
        for _ in range(2):
            await files.delete(content)
            assert not await files.has(content)
        assert await read(files, other) == b"other"
        await put(LARGE)
        assert await read(files, content) == LARGE

    async def test_a_file_that_is_not_there_cannot_be_put(self, files):
        with pytest.raises(GatewayError):
            await files.put(Path("/nonexistent"), content_of(b""))

    async def test_a_url_of_its_own_names_the_content_or_there_is_none(self, files, put):
        content = await put(b"a")
        url = await files.presigned(
            content, media_type="image/png", disposition="attachment", lifetime=timedelta(minutes=1)
        )
        assert url is None or content.sha256 in url
