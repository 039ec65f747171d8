"""`/openapi.json` and `/docs`: what the API is, for programs and for people. The page loads nothing from elsewhere."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from attrs import define, field
from falcon.asgi import Response

from ....domain.errors import NotFound
from ..entity_tags import has_it, tag_of
from ..exchange import Request
from ..openapi.document import document

_ASSETS: Final[Mapping[str, str]] = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
}
_HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


@define(eq=False)
class Docs:
    """The resource. The document is written once, when it is made."""

    _document: bytes = field(init=False, factory=lambda: msgspec.json.encode(document()))

    async def on_get_document(self, req: Request, resp: Response) -> None:
        """The document."""
        _send(req, resp, self._document, "application/json")

    async def on_get(self, req: Request, resp: Response) -> None:
        """The page."""
        _send(req, resp, _file("index.html"), "text/html; charset=utf-8")

    async def on_get_asset(self, req: Request, resp: Response, asset: str) -> None:
        """What the page loads."""
        if asset not in _ASSETS:
            raise NotFound.of("file", asset)
        _send(req, resp, _file(asset), f"{_ASSETS[asset]}; charset=utf-8")


@cache
def _file(name: str) -> bytes:
    return files("pluggably.entrypoints.http.openapi").joinpath("viewer", name).read_bytes()


@cache
def _tag(body: bytes) -> str:
    return tag_of(body)


def _send(req: Request, resp: Response, body: bytes, content_type: str) -> None:
    tag = _tag(body)
    resp.set_headers({**_HEADERS, "etag": tag})
    if has_it(req, tag):
        resp.status_code = 304
        return
    resp.content_type = content_type
    resp.data = body
