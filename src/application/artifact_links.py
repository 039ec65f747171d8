"""Give artifacts out: by URLs that are good for a while and need no credentials, or inside an answer."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import define, frozen

from ..domain.artifact import LONGEST_URL_LIFE, Artifact, Delivery, goes_inline
from ..domain.errors import NotFound
from ..domain.signed_url import Grant, UrlKey, disposition_of, require_signed, signed_query
from .artifact_ports import ArtifactFiles, ArtifactIndex
from .ports import Clock

CONTENT_PATH = "/v1/artifacts/{artifact_id}/content"


@frozen
class Link:
    """A URL, and the moment from which on it is not good any more."""

    url: str
    expires_at: datetime


@frozen
class Inline:
    """The whole content of a file that is small."""

    data: bytes


@define(kw_only=True)
class ArtifactLinks:
    """Makes links that are good for `ttl`, signed with the first of `keys`, and honours those of all of them.

    They begin with `public_url`; without one they begin with the path, for whoever knows how it is reached. Files up to
    `threshold_bytes` are delivered inside an answer that does not ask for something else.
    """

    files: ArtifactFiles
    index: ArtifactIndex
    keys: Sequence[UrlKey]
    clock: Clock
    ttl: timedelta
    threshold_bytes: int
    public_url: str = ""

    async def link(self, artifact: Artifact, ttl: timedelta | None = None, filename: str | None = None) -> Link:
        """A URL to an artifact's content, for as long as `ttl` but a week at most.

        It says nothing of how long the artifact is kept.
        """
        now = self.clock().replace(microsecond=0)
        lifetime = min(ttl or self.ttl, LONGEST_URL_LIFE)
        stores_own = await self.files.presigned(
            artifact.content,
            media_type=artifact.media_type,
            disposition=disposition_of(filename or artifact.file_name),
            lifetime=lifetime,
        )
        return Link(stores_own or self._own(artifact, now + lifetime, filename), now + lifetime)

    async def follow(self, method: str, path: str, query: str, artifact_id: str) -> tuple[Artifact, Grant]:
        """The artifact that a request may have, by its URL alone, and what else the URL says.

        Raises:
            SignatureInvalid, SignatureExpired: as they say.
            NotFound: there is no such artifact any more.
        """
        grant = require_signed(method, path, query, self.keys, at=self.clock())
        artifact = await self.index.get(artifact_id)
        if artifact is None or not artifact.is_kept(self.clock()):
            raise NotFound.of("artifact", artifact_id)
        return artifact, grant

    async def deliver(self, artifact: Artifact, delivery: Delivery) -> Inline | Link:
        """The artifact as an answer has it."""
        size_bytes = artifact.content.size_bytes
        if not goes_inline(delivery, size_bytes, self.threshold_bytes):
            return await self.link(artifact)
        return Inline(b"".join([chunk async for chunk in self.files.read(artifact.content, 0, size_bytes)]))

    def _own(self, artifact: Artifact, expires_at: datetime, filename: str | None) -> str:
        path = CONTENT_PATH.format(artifact_id=artifact.id)
        grant = Grant(method="GET", path=path, expires=int(expires_at.timestamp()), filename=filename)
        return f"{self.public_url}{path}?{signed_query(grant, self.keys[0])}"
