"""The ports of artifacts: what keeps them, knows them, checks them, and brings them from elsewhere."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ..domain.artifact import Artifact, Content


class ArtifactFiles(Protocol):
    """Contents, each once and under its sha256."""

    async def open(self) -> None:
        """Make ready, and remove what a killed process has left half-written.

        Raises:
            GatewayError: the place cannot be used; the message says what to do.
        """

    async def put(self, path: Path, content: Content) -> None:
        """Store a file, durably and without holding it in memory; what is there already stays as it is.

        Nobody ever reads anything but the whole content under its sha256, also after a crash amid this. The file is
        hashed once more as it is stored.

        Raises:
            GatewayError: it is not that content, or no file of its own, such as a link to another one.
            InsufficientStorage, StoreUnavailable: as they say.
        """

    async def has(self, content: Content) -> bool:
        """Whether it is there, with the right size."""
        ...

    def read(self, content: Content, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Yield `length` bytes from `start` on, in pieces of bounded size; a reader that is slow is waited for.

        Raises:
            NotFound: it is not there; before the first piece.
            GatewayError: it could not be read to its end.
        """
        ...

    async def copy(self, content: Content, path: Path) -> None:
        """Write it into a new file on this machine.

        Raises:
            NotFound: it is not there.
            InsufficientStorage, StoreUnavailable: as they say.
        """

    async def delete(self, content: Content) -> None:
        """Remove it; twice is the same as once. Readers that have begun may still come to their end."""

    async def presigned(
        self, content: Content, *, media_type: str, disposition: str, lifetime: timedelta
    ) -> str | None:
        """A URL at which the store itself gives the content out; None if it does not do that."""
        ...

    async def close(self) -> None:
        """Let go of files, connections and threads."""


class ArtifactIndex(Protocol):
    """Which artifacts there are, and which contents may be stored. What was written is durable."""

    def exclusively(self, content: Content) -> AbstractAsyncContextManager[None]:
        """Let nobody else, in any process, be in here with the same content.

        Raises:
            StoreUnavailable: it was not free in time.
        """
        ...

    async def expect(self, content: Content) -> None:
        """Note that it may be stored from now on, so that it is found by `unneeded` if nobody comes to need it."""

    async def add(self, artifact: Artifact) -> None:
        """Add an artifact, whose content is noted with it."""

    async def get(self, artifact_id: str) -> Artifact | None:
        """The artifact with that id."""
        ...

    async def of_session(self, session_id: str) -> Sequence[Artifact]:
        """All artifacts of a session, the first one first."""
        ...

    async def due(self, at: datetime, limit: int) -> Sequence[Artifact]:
        """Artifacts whose time is over, at most `limit` of them."""
        ...

    async def delete(self, artifact_id: str) -> bool:
        """Forget an artifact; its content stays noted.

        Returns:
            Whether it was there.
        """
        ...

    async def is_needed(self, content: Content) -> bool:
        """Whether an artifact has that content."""
        ...

    async def unneeded(self) -> Sequence[Content]:
        """The contents that are noted and that no artifact has."""
        ...

    async def forget(self, content: Content) -> None:
        """Note that it is not stored any more."""


@frozen(kw_only=True)
class ArtifactTotals:
    """How many artifacts there are, and the size of their contents, each once.

    `due` are the first of those whose time is over; `reclaimable_bytes` is what deleting all of those would free, with
    the contents that no artifact has.
    """

    count: int
    size_bytes: int
    reclaimable_bytes: int
    due: tuple[Artifact, ...]


class StoredArtifacts(Protocol):
    """How much there is. Implemented by what implements `ArtifactIndex`."""

    async def totals(self, at: datetime) -> ArtifactTotals:
        """All of it, at that moment."""
        ...


class Workspaces(Protocol):
    """Room on this machine for files that somebody works on."""

    def open(self) -> AbstractAsyncContextManager[Path]:
        """A new empty folder; it is gone, with all that is in it, when the context is left.

        Raises:
            InsufficientStorage: the disk is full.
        """
        ...

    async def write(self, chunks: AsyncIterable[bytes], path: Path, limit_bytes: int) -> None:
        """Write what comes into a new file.

        Raises:
            ArtifactTooLarge: more than `limit_bytes` came.
            InsufficientStorage: the disk is full.
        """

    async def content(self, path: Path) -> Content:
        """What is in a file.

        Raises:
            GatewayError: it is no file of its own, such as a link to another one.
        """
        ...

    async def close(self) -> None:
        """Let go of threads."""


@frozen(kw_only=True)
class Picture:
    """What the header of a picture says; `width` and `height` in pixels."""

    media_type: str
    width: int
    height: int


class Pictures(Protocol):
    """Looks at pictures from outside before anything decodes them."""

    async def examine(self, path: Path) -> Picture:
        """What a file says of itself. Nothing is decoded, and little of it read.

        Raises:
            PictureInvalid: it is no picture of a kind that is accepted, or not a whole one.
            ArtifactTooLarge: it has too many pixels.
        """
        ...

    async def close(self) -> None:
        """Let go of threads."""


class Egress(Protocol):
    """The way out to servers that a client has named."""

    async def fetch(self, url: str, path: Path, limit_bytes: int) -> None:
        """Download what a URL names into a new file.

        Raises:
            UrlNotAllowed: nothing is fetched from there; no connection was tried.
            UrlUnavailable: the server did not give it.
            ArtifactTooLarge: it has more than `limit_bytes`.
        """

    async def close(self) -> None:
        """Let go of every connection."""
