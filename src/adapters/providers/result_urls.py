"""Files that an answer only names by URLs, copied in at once: such URLs are good for minutes, or a day at most.

What is on the provider's own server is asked for as everything else there. Any other URL is one that a stranger wrote:
it is fetched by the egress, from public addresses only, unless the operator names a server of their own.
"""

from pathlib import Path

from attrs import frozen

from ...application.artifact_ports import Egress
from ...domain.errors import ArtifactTooLarge, ProviderBadResponse, UrlNotAllowed, UrlUnavailable
from .transport.upstream import Target, Upstream


@frozen(kw_only=True)
class ResultUrls:
    """The way to URLs in the answers of one provider; without an egress those of other servers are refused.

    `what` they name is for messages, such as `a picture`; it may have `limit_bytes`.
    """

    upstream: Upstream
    egress: Egress | None
    what: str
    limit_bytes: int

    async def fetch(self, url: str, path: Path) -> None:
        """Write what a URL names into a new file.

        Raises:
            ProviderBadResponse: it is not fetched from there, not given there, or too large.
            GenerationFailed: the provider's own server did not give it.
            GatewayError: it could not be written.
        """
        if own := self.upstream.own(url):
            await self._fetch_own(own, path)
        elif self.egress is None:
            raise self._refused("that is not its own")
        else:
            await self._fetch_other(self.egress, url, path)

    async def _fetch_own(self, target: Target, path: Path) -> None:
        reply = await self.upstream.get(target)
        try:
            if not reply.is_success:
                raise self._refused(f"where it answered {reply.status}")
            await reply.save(path, limit_bytes=self.limit_bytes, timeout_s=self.upstream.limits.first_byte_s)
        finally:
            await reply.close()

    async def _fetch_other(self, egress: Egress, url: str, path: Path) -> None:
        try:
            await egress.fetch(url, path, self.limit_bytes)
        except UrlNotAllowed as exc:
            raise self._refused("that nothing is fetched from") from exc
        except UrlUnavailable as exc:
            raise self._refused("that did not give it") from exc
        except ArtifactTooLarge as exc:
            raise self._refused(f"with more than {self.limit_bytes} bytes") from exc

    def _refused(self, why: str) -> ProviderBadResponse:
        return ProviderBadResponse(detail=f"Provider {self.upstream.provider!r} named a URL for {self.what} {why}.")
