"""Artifacts in memory, lost at the end: for tests, and to develop against."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from attrs import define, field

from ...application.artifact_ports import ArtifactTotals
from ...domain.artifact import Artifact, Content
from ...domain.errors import ArtifactTooLarge, GatewayError, NotFound, UrlNotAllowed, UrlUnavailable

PIECE_BYTES = 4_096


class MemoryArtifactFiles:
    """Implements `ArtifactFiles`. It has no URLs of its own."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    async def open(self) -> None:
        """Nothing is left of the time before."""

    async def put(self, path: Path, content: Content) -> None:
        """Store a file."""
        data = _read(path)
        if (sha256(data).hexdigest(), len(data)) != (content.sha256, content.size_bytes):
            raise GatewayError(detail="The file is not what it was when it was looked at.")
        self._contents[content.sha256] = data

    async def has(self, content: Content) -> bool:
        """Whether it is there."""
        return content.sha256 in self._contents

    async def read(self, content: Content, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Yield a part of it."""
        data = self._get(content)[start : start + length]
        for begin in range(0, len(data), PIECE_BYTES):
            yield data[begin : begin + PIECE_BYTES]
            await asyncio.sleep(0)

    async def copy(self, content: Content, path: Path) -> None:
        """Write it into a new file."""
        with path.open("xb") as file:
            file.write(self._get(content))

    async def delete(self, content: Content) -> None:
        """Remove it."""
        self._contents.pop(content.sha256, None)

    async def presigned(
        self,
        content: Content,  # noqa: ARG002 - the port's signature
        *,
        media_type: str,  # noqa: ARG002 - the port's signature
        disposition: str,  # noqa: ARG002 - the port's signature
        lifetime: timedelta,  # noqa: ARG002 - the port's signature
    ) -> str | None:
        """None."""
        return None

    async def close(self) -> None:
        """Nothing is held open."""

    def _get(self, content: Content) -> bytes:
        if content.sha256 not in self._contents:
            raise NotFound.of("content", content.sha256)
        return self._contents[content.sha256]


def _read(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise GatewayError(detail="There is no file of its own to keep.")
    return path.read_bytes()


class MemoryArtifactIndex:
    """Implements `ArtifactIndex` and `StoredArtifacts`, for one process."""

    def __init__(self) -> None:
        self._artifacts: dict[str, Artifact] = {}
        self._noted: dict[str, Content] = {}
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def exclusively(self, content: Content) -> AsyncIterator[None]:  # noqa: ARG002 - the port's signature
        """Let nobody else be in here; with whichever content, as nothing takes long."""
        async with self._lock:
            yield

    async def expect(self, content: Content) -> None:
        """Note a content."""
        self._noted[content.sha256] = content

    async def add(self, artifact: Artifact) -> None:
        """Add an artifact."""
        self._noted[artifact.content.sha256] = artifact.content
        self._artifacts[artifact.id] = artifact

    async def get(self, artifact_id: str) -> Artifact | None:
        """The artifact with that id."""
        return self._artifacts.get(artifact_id)

    async def of_session(self, session_id: str) -> Sequence[Artifact]:
        """All artifacts of a session."""
        return [it for it in self._in_order() if it.session_id == session_id]

    async def due(self, at: datetime, limit: int) -> Sequence[Artifact]:
        """Artifacts whose time is over."""
        return [it for it in self._in_order() if not it.is_kept(at)][:limit]

    async def delete(self, artifact_id: str) -> bool:
        """Forget an artifact."""
        return self._artifacts.pop(artifact_id, None) is not None

    async def is_needed(self, content: Content) -> bool:
        """Whether an artifact has that content."""
        return any(it.content.sha256 == content.sha256 for it in self._artifacts.values())

    async def unneeded(self) -> Sequence[Content]:
        """The contents that no artifact has."""
        needed = {it.content.sha256 for it in self._artifacts.values()}
        return [it for it in self._noted.values() if it.sha256 not in needed]

    async def forget(self, content: Content) -> None:
        """Note that a content is gone."""
        self._noted.pop(content.sha256, None)

    async def totals(self, at: datetime) -> ArtifactTotals:
        """How much there is."""
        kept = {it.content.sha256 for it in self._artifacts.values() if it.is_kept(at)}
        return ArtifactTotals(
            count=len(self._artifacts),
            size_bytes=sum(it.size_bytes for it in self._noted.values()),
            reclaimable_bytes=sum(it.size_bytes for it in self._noted.values() if it.sha256 not in kept),
            due=tuple(it for it in self._in_order() if not it.is_kept(at)),
        )

    def _in_order(self) -> list[Artifact]:
        return sorted(self._artifacts.values(), key=lambda it: it.id)


@define
class MemoryEgress:
    """Implements `Egress`: the world has what is on the shelf, by its URL, and nothing but `https:`."""

    shelf: Mapping[str, bytes] = field(factory=dict)

    async def fetch(self, url: str, path: Path, limit_bytes: int) -> None:
        """Take it from the shelf."""
        if not url.startswith("https://"):
            raise UrlNotAllowed
        if (data := self.shelf.get(url)) is None:
            raise UrlUnavailable
        if len(data) > limit_bytes:
            raise ArtifactTooLarge
        with path.open("xb") as file:
            file.write(data)

    async def close(self) -> None:
        """Nothing is held open."""
