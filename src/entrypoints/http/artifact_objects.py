"""Artifacts and links to them as the API shows them."""

from typing import Any

from ...application.artifact_links import Link
from ...domain.artifact import Artifact
from .exchange import Request
from .rendering import absolute


def artifact_object(artifact: Artifact, link: Link, req: Request) -> dict[str, Any]:
    """An artifact, with what is known of it and a URL to its content."""
    return {
        "id": artifact.id,
        "object": "artifact",
        "media_type": artifact.media_type,
        "size_bytes": artifact.content.size_bytes,
        "sha256": artifact.content.sha256,
        "origin": artifact.origin,
        "session_id": artifact.session_id,
        "generation_id": artifact.generation_id,
        "created_at": artifact.created_at,
        "kept_until": artifact.kept_until,
        **artifact.facts,
        "url": absolute(link.url, req.prefix),
        "expires_at": link.expires_at,
    }


def link_object(link: Link, req: Request) -> dict[str, Any]:
    """A URL to an artifact's content."""
    return {"object": "artifact.url", "url": absolute(link.url, req.prefix), "expires_at": link.expires_at}
