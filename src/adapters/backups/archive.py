"""A backup as one file: a POSIX tar, its manifest last, and behind the tar one line with the sha256 of all before it.

`tar tf` lists it. By the line every bit that has changed is found, the padding's too; where it is missing, the end
was cut off. It says nothing of who wrote the file: the signed log in it does. There is nothing to compress: what was
said is encrypted, pictures are compressed. Whoever reads the file has the keys, so only its owner may.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from errno import EDQUOT, ENOSPC
from hashlib import file_digest, sha256
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from attrs import asdict

from ...application.backup_ports import Manifest, Part, Totals
from ...domain.errors import GatewayError, InsufficientStorage, InvalidRequest
from ..disk_errors import disk_errors
from ..flushing import flush_folder

MANIFEST = "manifest.json"
_BEGIN, _DIGEST = b"pluggably backup, sha256 ", 64
_LINE_BYTES = len(_BEGIN) + _DIGEST + 1
_PIECE_BYTES = 2**20


class NewTarArchive:
    """Implements `NewArchive`."""

    def __init__(self, target: Path, name: str) -> None:
        """Begin a file that will be `target`, or `name` in it if that is a folder.

        Raises:
            InvalidRequest: there is such a file, or none can be made there.
        """
        self.path = (target / name if target.is_dir() else target).resolve()
        if self.path.exists():
            raise InvalidRequest(detail=f"{self.path} is there already: a backup replaces nothing.")
        self._partial = self.path.with_name(f".{self.path.name}.{token_hex(8)}.partial")
        with ExitStack() as opened:
            try:
                file = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except OSError as exc:
                raise InvalidRequest(detail=f"{self.path} cannot be written: {exc.strerror}.") from exc
            opened.callback(self._partial.unlink, missing_ok=True)
            self._file = opened.enter_context(os.fdopen(file, "w+b"))
            self._tar = opened.enter_context(tarfile.open(fileobj=self._file, mode="w"))
            self._opened = opened.pop_all()

    def add(self, name: str, path: Path) -> None:
        """Add a file."""
        with _written(self.path), path.open("rb") as file:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = os.fstat(file.fileno()).st_size, 0o600
            self._tar.addfile(entry, file)

    def finish(self, manifest: Manifest) -> tuple[Path, int]:
        """Add the manifest and the line behind it."""
        with _written(self.path):
            said = json.dumps(asdict(manifest) | {"made_at": manifest.made_at.isoformat()}, indent=2).encode()
            entry = tarfile.TarInfo(MANIFEST)
            entry.size, entry.mode = len(said), 0o600
            self._tar.addfile(entry, BytesIO(said))
            self._tar.close()
            self._file.seek(0)
            self._file.write(_last_line(file_digest(self._file, "sha256").hexdigest()))
            self._file.flush()
            os.fsync(self._file.fileno())
            self.path.hardlink_to(self._partial)  # unlike a rename, this replaces nothing
            flush_folder(self.path.parent)
        return self.path, self.path.stat().st_size

    def close(self) -> None:
        """Let go of the file; of one that was not finished nothing is left."""
        self._opened.close()


class TarArchive:
    """Implements `Archive`."""

    def __init__(self, path: Path, room: Path) -> None:
        """Nothing is read yet; one part at a time is put into the folder `room`.

        Raises:
            InvalidRequest: there is no such file.
        """
        self._path, self._room = path, room
        with _read(path):
            self.size_bytes = path.stat().st_size

    def manifest(self) -> Manifest:
        """What it says of itself, once every byte of it was checked."""
        with _read(self._path), self._path.open("rb") as file:
            _expect_whole(file, self._path, self.size_bytes)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                said = tar.extractfile(MANIFEST)
                return _manifest(json.load(said) if said else {})

    def parts(self) -> Iterator[Part]:
        """Everything that was added to it, but for the manifest."""
        part = self._room / "part"
        with tarfile.open(self._path, mode="r:") as tar:
            for entry in tar:
                if entry.name != MANIFEST and (source := tar.extractfile(entry)):
                    with disk_errors(), part.open("wb") as copy:
                        shutil.copyfileobj(source, copy, _PIECE_BYTES)
                    yield entry.name, part


def _expect_whole(file: IO[bytes], path: Path, size_bytes: int) -> None:
    """Read all of it, and leave the file at its beginning."""
    covered = size_bytes - _LINE_BYTES
    digest, left = sha256(), covered
    while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
        digest.update(piece)
        left -= len(piece)
    line = file.read()
    if covered <= 0 or not line.startswith(_BEGIN):
        raise InvalidRequest(
            detail=f"{path} is no backup, or its end is cut off: it has {size_bytes} bytes, and the last line is not "
            "the one that a whole backup ends with."
        )
    if line != _last_line(digest.hexdigest()):
        raise InvalidRequest(
            detail=f"{path} is damaged: some of its {size_bytes} bytes are not those that were written (sha256 "
            f"{digest.hexdigest()}, and its last line says {line[len(_BEGIN) :].decode(errors='replace').strip()})."
        )
    file.seek(0)


def _last_line(digest: str) -> bytes:
    return _BEGIN + digest.encode() + b"\n"


def _manifest(said: dict[str, Any]) -> Manifest:
    try:
        return Manifest(
            version=said["version"],
            made_at=datetime.fromisoformat(said["made_at"]),
            database=said["database"],
            migrations=tuple(said["migrations"]),
            totals=Totals(**said["totals"]),
            gone=tuple(said["gone"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidRequest(detail="The backup's manifest is not one that this version of the gateway reads.") from exc


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise InvalidRequest(detail=f"{path} cannot be read: {exc.strerror}.") from exc
    except (tarfile.TarError, KeyError, ValueError) as exc:
        raise InvalidRequest(detail=f"{path} is no backup: {exc}.") from exc


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise InvalidRequest(detail=f"{path} is there already: a backup replaces nothing.") from exc
    except OSError as exc:
        if exc.errno in (ENOSPC, EDQUOT):
            raise InsufficientStorage(detail=f"There is no space left for {path}.") from exc
        raise GatewayError(detail=f"{path} cannot be written: {exc.strerror}.") from exc
