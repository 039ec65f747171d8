"""`/v1/artifacts`: files that were generated or uploaded; their content goes to whoever has a signed URL."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Annotated

from attrs import frozen
from falcon.asgi import Response

from ....application.artifact_links import ArtifactLinks
from ....application.artifacts import Artifacts
from ....domain.artifact import Artifact
from ....domain.errors import UnsupportedMediaType
from ....domain.parameters import Field
from ....domain.signed_url import FILE_NAME, Grant, disposition_of
from ..artifact_objects import artifact_object, link_object
from ..body import Nothing, principal_of, read_body, read_query, refuse_idempotency_key
from ..entity_tags import has_it
from ..exchange import Request
from ..ranges import wanted_part


@frozen(kw_only=True)
class Signing:
    """How a URL shall be."""

    ttl_s: Annotated[int | None, Field("How long it is good; absent: as configured.", 1, 604_800, unit="seconds")] = (
        None
    )
    filename: Annotated[str | None, Field("What the download is called.", max_length=128, pattern=FILE_NAME)] = None


@frozen
class ArtifactResource:
    """The resource."""

    artifacts: Artifacts
    links: ArtifactLinks

    async def on_post(self, req: Request, resp: Response) -> None:
        """Upload an input."""
        refuse_idempotency_key(req, "")
        read_query(req, Nothing)
        if (incoming := req.exchange.incoming) is None or req.content_type is None:
            raise UnsupportedMediaType(detail="Content-Type must say what is uploaded, such as image/png.")
        artifact = await self.artifacts.upload(incoming, req.content_type, principal_of(req))
        resp.status_code = 201
        await self._show(req, resp, artifact)

    async def on_get_one(self, req: Request, resp: Response, artifact_id: str) -> None:
        """What is known of an artifact, with a URL to its content."""
        read_query(req, Nothing)
        await self._show(req, resp, await self.artifacts.get(artifact_id, principal_of(req)))

    async def on_delete_one(self, req: Request, resp: Response, artifact_id: str) -> None:
        """Delete it."""
        refuse_idempotency_key(req, "")
        await self.artifacts.delete(artifact_id, principal_of(req))
        resp.status_code = 204

    async def on_post_sign(self, req: Request, resp: Response, artifact_id: str) -> None:
        """Another URL to its content."""
        wanted = read_body(req, Signing)
        artifact = await self.artifacts.get(artifact_id, principal_of(req))
        ttl = None if wanted.ttl_s is None else timedelta(seconds=wanted.ttl_s)
        resp.media = link_object(await self.links.link(artifact, ttl, wanted.filename), req)

    async def on_get_content(self, req: Request, resp: Response, artifact_id: str) -> None:
        """The content, to whoever has a URL that was signed for it."""
        path = req.scope.get("raw_path", b"").decode("latin-1") or req.path
        artifact, grant = await self.links.follow("GET", path, req.query_string, artifact_id)
        _describe(resp, artifact, grant)
        if has_it(req, _etag(artifact)):
            resp.status_code = 304
            return
        size_bytes = artifact.content.size_bytes
        part = wanted_part(req.get_header("Range"), req.get_header("If-Range"), _etag(artifact), size_bytes)
        if part:
            resp.status_code = 206
            resp.set_header("content-range", part.content_range)
        start, length = (part.start, part.length) if part else (0, size_bytes)
        resp.content_length = length
        await _send(req, resp, self.artifacts.read(artifact, start, length))

    async def _show(self, req: Request, resp: Response, artifact: Artifact) -> None:
        resp.media = artifact_object(artifact, await self.links.link(artifact), req)


def _describe(resp: Response, artifact: Artifact, grant: Grant) -> None:
    """The headers, among them those that keep a browser from taking somebody's file for a page of this service."""
    resp.content_type = artifact.media_type
    resp.set_headers(
        {
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "content-disposition": disposition_of(grant.filename or artifact.file_name),
            "content-security-policy": "sandbox; default-src 'none'",
            "etag": _etag(artifact),
        }
    )


def _etag(artifact: Artifact) -> str:
    return f'"{artifact.content.sha256}"'


async def _send(req: Request, resp: Response, pieces: AsyncGenerator[bytes, None]) -> None:
    """Answer with the pieces, once the first one is there: what is gone still gets its own status."""
    if req.exchange.headers_only:
        resp.stream = _chained(b"", None)
        return
    req.exchange.own(pieces)
    resp.stream = whole = _chained(await anext(pieces, b""), pieces)
    req.exchange.own(whole)


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None] | None) -> AsyncGenerator[bytes, None]:
    yield first
    if rest:
        async for piece in rest:
            yield piece
