"""The ports of backups: what is copied at one moment, what carries it, and what it is put back into.

All of them are blocking: a backup is a command with a process of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ..domain.artifact import Content
from .audit import SessionArchive
from .log_check import LogCheck
from .ports import SessionStore

Part = tuple[str, Path]
"""A part's name, and a file with it that is there until the next part is asked for."""


@frozen(kw_only=True)
class Totals:
    """How much there is: the log's events and sessions, erased ones too, and the files that artifacts have."""

    events: int
    sessions: int
    artifacts: int


@frozen(kw_only=True)
class Manifest:
    """What a backup says of itself.

    `database` is the kind of database that it can be put back into, whose tables were made by `migrations`. The
    contents in `gone` were deleted while the backup was made: it has none of them, and their artifacts are forgotten.
    """

    version: str
    made_at: datetime
    database: str
    migrations: tuple[int, ...]
    totals: Totals
    gone: tuple[str, ...]


class Snapshot(Protocol):
    """The database as it was at one moment, whatever is written to it meanwhile."""

    def totals(self) -> Totals:
        """How much there was."""
        ...

    def migrations(self) -> tuple[int, ...]:
        """The numbers of the migrations that had been run."""
        ...

    def contents(self) -> Sequence[Content]:
        """The contents that artifacts had."""
        ...

    def parts(self) -> Iterator[Part]:
        """All of it."""
        ...


class LiveDatabase(Protocol):
    """The database, which the service may be writing to."""

    kind: str

    def at_one_moment(self) -> AbstractContextManager[Snapshot]:
        """The database as it is now: what it would be after a power cut at this moment.

        Raises:
            GatewayError: there is none, or it cannot be read.
        """
        ...

    def has(self, content: Content) -> bool:
        """Whether an artifact has that content now."""
        ...


class NewDatabase(Protocol):
    """A database that has nothing yet."""

    kind: str

    def expect_empty(self) -> None:
        """Look whether it is, and whether no gateway uses it.

        Raises:
            GatewayError: it is not, or cannot be reached.
        """

    def fill(self, manifest: Manifest, parts: Iterable[Part]) -> None:
        """Put a snapshot's parts into it.

        Raises:
            GatewayError: a newer version wrote them, or they cannot be put there.
        """

    def contents(self) -> Sequence[Content]:
        """The contents that artifacts have now."""
        ...

    def clear(self) -> None:
        """Make it empty again."""


class DataFolder(Protocol):
    """What the data folder holds besides the database and the artifacts: keys, and the second place of checkpoints."""

    def checkpoint_files(self) -> Iterator[Part]:
        """The file of checkpoints, if it is in this folder. To be taken first: it is never ahead of the database."""
        ...

    def key_files(self) -> Iterator[Part]:
        """The files of keys, but for those that are kept elsewhere. To be taken last: one may be made at any time."""
        ...

    def note(self, made_at: datetime) -> None:
        """Remember that there is a backup of that time."""


class NewDataFolder(Protocol):
    """A data folder in which nothing is stored yet; what comes is put aside in it, until it is `kept`."""

    def expect_empty(self) -> None:
        """Look whether it is.

        Raises:
            GatewayError: it is not; the message names what is there.
        """

    def put(self, name: str, path: Path) -> None:
        """Take a file by the name that it had; it may be moved there."""

    def keep(self) -> None:
        """Give everything its place."""

    def clear(self) -> None:
        """Make it empty again."""


class NewArchive(Protocol):
    """A file that is being written, and that has its name only once it is whole."""

    def add(self, name: str, path: Path) -> None:
        """Add a file."""

    def finish(self, manifest: Manifest) -> tuple[Path, int]:
        """Add the manifest, and see to it that everything is on the disk.

        Returns:
            Where it is, and its size in bytes.
        """
        ...


class Archive(Protocol):
    """A backup."""

    size_bytes: int

    def manifest(self) -> Manifest:
        """What it says of itself, once every byte of it was found to be what was written.

        Raises:
            InvalidRequest: it is no backup, or cut off, or damaged; the message says what is wrong.
        """
        ...

    def parts(self) -> Iterator[Part]:
        """Everything that was added to it, in that order."""
        ...


@frozen
class Restored:
    """What a restore has put in place, opened to be looked at."""

    log_check: LogCheck
    sessions: SessionStore
    archive: SessionArchive


class Opened(Protocol):
    """Opens what was put in place, as the service would."""

    def __call__(self) -> AbstractAsyncContextManager[Restored]:
        """Open it; raises GatewayError if the service could not start on it."""
        ...
