"""The files of a data folder that are no database and no artifact: its keys, and the checkpoints' second place.

What is put back is put aside in a folder in it until all of it was checked, and then moved to its place by renames. Not
by one rename of the whole, because a data folder may be a mount, and models may be in it already.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ...application.backup_ports import Part
from ...domain.errors import GatewayError, InvalidRequest
from ..disk_errors import disk_errors
from ..flushing import flush_folder

KEYS = ("sessions/master.key", "sessions/signing.key", "jobs.key", "artifacts/url.keys")
CHECKPOINTS = "audit/checkpoints.txt"
ASIDE, NOTE = ".restoring", "last-backup"
_PLACES = ("sessions", "artifacts", "audit", "jobs.key", "gateway.sqlite")
"""What a gateway that ran has in its data folder; models, and what is half-done, are in others."""


class LocalDataFolder:
    """Implements `DataFolder`."""

    def __init__(self, folder: Path, room: Path) -> None:
        """One copy at a time is made in `room`."""
        self._folder, self._room = folder, room

    def checkpoint_files(self) -> Iterator[Part]:
        """The file of checkpoints, if it is in this folder."""
        yield from self._copied((CHECKPOINTS,))

    def key_files(self) -> Iterator[Part]:
        """The files of keys that there are."""
        yield from self._copied(KEYS)

    def note(self, made_at: datetime) -> None:
        """Remember that there is a backup of that time."""
        with disk_errors():
            (self._folder / NOTE).write_text(f"{made_at.isoformat()}\n")

    def _copied(self, names: tuple[str, ...]) -> Iterator[Part]:
        for name in names:
            copy = self._room / "file"  # of what may grow while it is read
            with disk_errors(), suppress(FileNotFoundError):
                shutil.copyfile(self._folder / name, copy)
                yield name, copy


class NewLocalDataFolder:
    """Implements `NewDataFolder`."""

    def __init__(self, folder: Path) -> None:
        """`aside` is where things are until they are kept: a data folder of its own."""
        self._folder = folder
        self.aside = folder / ASIDE

    def expect_empty(self) -> None:
        """Look whether nothing is stored in it."""
        with disk_errors():
            if there := [name for name in (*_PLACES, ASIDE) if (self._folder / name).exists()]:
                raise InvalidRequest(
                    detail=f"Nothing was restored, as {self._folder} is not empty: it has {', '.join(there)}. Put that "
                    "away first, or name another data_dir."
                )

    def put(self, name: str, path: Path) -> None:
        """Take a file."""
        if name not in (*KEYS, CHECKPOINTS):
            raise InvalidRequest(detail=f"The backup has a file that this version does not know: {name}.")
        target = self.aside / name
        with disk_errors():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(path, target)
            target.chmod(0o600)

    def keep(self) -> None:
        """Give everything its place."""
        with disk_errors():
            for name in _PLACES:
                if (self.aside / name).exists():
                    (self.aside / name).rename(self._folder / name)
            flush_folder(self._folder)
            shutil.rmtree(self.aside)

    def clear(self) -> None:
        """Make it empty again."""
        try:
            shutil.rmtree(self.aside)
        except OSError as exc:
            raise GatewayError(detail=f"{self.aside} cannot be removed ({exc.strerror}): remove it.") from exc
