"""Parts of a file from an HTTP server (RFC 9110), by way of the guard."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from attrs import frozen

from ...application.download_ports import Chunk, Opened
from ...domain.errors import NotFound, SourceForbidden, SourceUnreachable, UrlUnavailable
from ..egress.direct import DirectResponse, get
from ..egress.guard import EgressGuard

_WHOLE, _PART, _BEHIND_END = 200, 206, 416
_FORBIDDEN = (401, 402, 403, 407, 451)
_ABSENT = (404, 410)
_LATER = (408, 425, 429)
_SERVER_ERROR = 500
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d{1,18})-\d{1,18}|\*)/(?P<size>\d{1,18})")
_SECONDS = re.compile(r"\d{1,6}")


@frozen(kw_only=True)
class HttpFiles:
    """Opens parts of files; a server that is silent for `silence_s` is given up."""

    guard: EgressGuard
    silence_s: float

    @asynccontextmanager
    async def open(
        self, url: str, start: int, stop: int | None, tag: str | None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Opened]:
        """The bytes from `start` up to `stop`, if the file is still the one with that tag; else from its beginning.

        Raises:
            NotFound, SourceForbidden, SourceUnreachable, UrlNotAllowed: as they say; the latter two also in the midst.
        """
        last = "" if stop is None else str(stop - 1)
        sent = {"Range": f"bytes={start}-{last}", **({"If-Range": tag} if tag else {}), **(headers or {})}
        try:
            async with self.guard.open(url, sent, get, silence_s=self.silence_s) as response:
                yield opened(response, start)
        except UrlUnavailable as exc:
            raise SourceUnreachable(detail="The source could not be reached, or broke off, again and again.") from exc


def opened(response: DirectResponse, start: int) -> Opened:
    """What a server has answered to the wish for a part.

    Raises:
        NotFound, SourceForbidden, SourceUnreachable: as its status says, or it is no answer to that.
    """
    status, headers = response.status, response.headers
    if status not in (_WHOLE, _PART, _BEHIND_END):
        raise failure(status, headers)
    if "content-encoding" in headers:
        raise SourceForbidden(detail="The source gives the file only in another encoding than its own.")
    ranged = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if status == _BEHIND_END and ranged:  # of a file that is shorter now; of an empty one there is no other answer
        return Opened(start=0, size_bytes=int(ranged["size"]), tag=tag_of(headers), chunks=_nothing())
    if status == _PART and ranged and ranged["start"] == str(start):
        size = int(ranged["size"])
    elif status == _WHOLE and response.content_length is not None:
        start, size = 0, response.content_length
    elif status == _WHOLE:
        raise SourceForbidden(
            detail="The source does not say how large the file is, so it cannot be known when it is whole."
        )
    else:
        raise SourceUnreachable(detail="The source answers with another part of the file than was asked for.")
    return Opened(start=start, size_bytes=size, tag=tag_of(headers), chunks=response.chunks())


def tag_of(headers: Mapping[str, str]) -> str | None:
    """What `If-Range` can insist on: a strong entity tag, or else the date."""
    tag = headers.get("etag", "")
    return tag if tag.startswith('"') else headers.get("last-modified")


def failure(status: int, headers: Mapping[str, str]) -> NotFound | SourceForbidden | SourceUnreachable:
    """The error for a status that is no success."""
    if status in _ABSENT:
        return NotFound(detail=f"The source has no such file: it answered {status}.")
    if status in _LATER or status >= _SERVER_ERROR:
        told = headers.get("retry-after", "")
        after = float(told) if _SECONDS.fullmatch(told) else None
        return SourceUnreachable(detail=f"The source answered {status} again and again.", retry_after_s=after)
    if status in _FORBIDDEN:
        return SourceForbidden(detail=f"The source does not give this to us: it answered {status}.")
    return SourceForbidden(detail=f"The source refuses what was asked of it: it answered {status}.")


async def _nothing() -> AsyncIterator[Chunk]:
    pieces: tuple[Chunk, ...] = ()
    for piece in pieces:
        yield piece
