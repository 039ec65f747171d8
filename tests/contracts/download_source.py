"""What every `DownloadSource` promises; a test module per source subclasses this and provides the fixtures."""

import pytest
from attrs import evolve

from pluggably.application.download_ports import DownloadSource
from pluggably.domain.download import DownloadFile
from pluggably.domain.errors import GatewayError, InvalidRequest, NotFound, SourceFailed
from tests.download_builders import noise

CONTENT = b"GGUF" + noise(10, 300_000)


class DownloadSourceContract:
    """Fixtures to provide: `source`, closed afterwards, and what it is asked for.

    `reference` names a model whose one file is `tiny.gguf` with `CONTENT`; `absent` nothing that is there.
    """

    malformed: str = ""

    @pytest.fixture
    def source(self) -> DownloadSource:
        raise NotImplementedError

    @pytest.fixture
    def reference(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def absent(self) -> str:
        raise NotImplementedError

    async def file(self, source, reference) -> DownloadFile:
        (file,) = (await source.list(reference, ())).files
        return file

    async def read(self, source, file, start: int, stop: int) -> tuple[int, bytes]:
        async with source.open(file, start, stop) as opened:
            assert (opened.size_bytes, opened.tag) == (file.size_bytes, file.tag)
            return opened.start, b"".join([chunk async for chunk in opened.chunks])

    async def test_it_tells_what_there_is_with_names_and_sizes(self, source, reference):
        listing = await source.list(reference, ())
        assert [(it.name, it.size_bytes, it.bytes_done) for it in listing.files] == [("tiny.gguf", len(CONTENT), 0)]
        assert listing.name
        assert listing.pinned.startswith(f"{source.scheme}:")

    async def test_it_tells_the_same_each_time(self, source, reference):
        assert await source.list(reference, ()) == await source.list(reference, ())

    @pytest.mark.parametrize(("start", "stop"), [(0, len(CONTENT)), (1, 2), (1_000, 200_000), (299_000, len(CONTENT))])
    async def test_it_gives_the_part_that_was_asked_for(self, source, reference, start, stop):
        file = await self.file(source, reference)
        assert await self.read(source, file, start, stop) == (start, CONTENT[start:stop])

    async def test_a_file_can_be_left_in_the_midst_and_asked_for_again(self, source, reference):
        file = await self.file(source, reference)
        async with source.open(file, 0, file.size_bytes) as opened:
            async for _ in opened.chunks:
                break
        assert await self.read(source, file, 5, 10) == (5, CONTENT[5:10])

    async def test_what_is_not_there_is_not_found(self, source, absent):
        with pytest.raises(NotFound):
            await source.list(absent, ())

    async def test_a_file_that_is_gone_meanwhile_is_told(self, source, reference):
        file = await self.file(source, reference)
        gone = evolve(file, address=file.address.replace("tiny.gguf", "gone.gguf"))
        with pytest.raises((NotFound, SourceFailed)):
            async with source.open(gone, 0, 10):
                pass

    async def test_a_reference_of_another_form_is_refused(self, source):
        with pytest.raises(InvalidRequest):
            await source.list(self.malformed, ())

    async def test_what_nothing_matches_is_an_error(self, source, reference):
        with pytest.raises(GatewayError):
            await source.list(reference, ("*.onnx",))
