"""What is signed in a URL, and what makes its signature valid.

Whoever has such a URL may do one thing until a moment: no credentials are asked for. HMAC-SHA256 is over the method,
the path as it stands in the request, the moment, the disposition and the id of the key; the query has exactly one form,
so that no byte of it can be another one.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import field, frozen

from .errors import SignatureExpired, SignatureInvalid

FILE_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"  # may stand in a URL and in a header without being quoted
_QUERY = re.compile(
    rf"expires=(?P<expires>[1-9]\d{{0,11}})(?:&filename=(?P<filename>{FILE_NAME}))?"
    r"&signature=(?P<key>[0-9a-f]{8})\.(?P<mac>[0-9a-f]{64})",
    re.ASCII,
)


@frozen
class UrlKey:
    """A secret that URLs are signed with; `id` is eight hex digits that tell it from others and may be shown."""

    id: str
    secret: bytes = field(repr=False)


@frozen(kw_only=True)
class Grant:
    """What a URL allows: a method on a path, before `expires` (seconds since 1970), as a download of that name."""

    method: str
    path: str
    expires: int
    filename: str | None = None

    @property
    def expires_at(self) -> datetime:
        """The moment from which on it is not good any more."""
        return datetime.fromtimestamp(self.expires, UTC)

    @property
    def disposition(self) -> str:
        """How a browser shall take the content: never as a page."""
        return disposition_of(self.filename)


def disposition_of(filename: str | None) -> str:
    """The value of `Content-Disposition` for a download."""
    return f'attachment; filename="{filename}"' if filename else "attachment"


def signed_query(grant: Grant, key: UrlKey) -> str:
    """The query that belongs to the path."""
    named = f"&filename={grant.filename}" if grant.filename else ""
    return f"expires={grant.expires}{named}&signature={key.id}.{_mac(grant, key)}"


def require_signed(method: str, path: str, query: str, keys: Sequence[UrlKey], *, at: datetime) -> Grant:
    """What a request's URL allows; any of the keys may have signed it.

    Raises:
        SignatureInvalid: none of them did, or something was altered.
        SignatureExpired: it was good once.
    """
    if (found := _QUERY.fullmatch(query)) is None:
        raise SignatureInvalid
    grant = Grant(method=method, path=path, expires=int(found["expires"]), filename=found["filename"])
    key = next((it for it in keys if it.id == found["key"]), None)
    if key is None or not hmac.compare_digest(_mac(grant, key), found["mac"]):
        raise SignatureInvalid
    if at.timestamp() >= grant.expires:
        raise SignatureExpired
    return grant


def _mac(grant: Grant, key: UrlKey) -> str:
    said = ("pluggably.url.v1", key.id, grant.method, grant.path, str(grant.expires), grant.disposition)
    message = "".join(f"{len(it)}:{it}," for it in said)  # with lengths, so that nothing can move from one to the next
    return hmac.digest(key.secret, message.encode("utf-8", "surrogatepass"), "sha256").hex()
