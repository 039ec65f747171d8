"""Inputs from servers that a client has named, by way of the guard that all such requests go."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from ...domain.artifact import PICTURES
from ...domain.errors import ArtifactTooLarge, UrlUnavailable
from ..disk_errors import disk_errors
from ..egress.guard import EgressGuard, Lookup, system_lookup
from ..threads import Threads
from .write_new import write_new

_HEADERS = {"Accept": ", ".join(PICTURES)}
_THREADS = 2


class GuardedEgress:
    """Implements `Egress`."""

    def __init__(
        self,
        *,
        plain_http: bool = False,
        private_origins: Collection[str] = (),
        timeout_s: float = 20,
        lookup: Lookup = system_lookup,
    ) -> None:
        """Nothing is connected to before it is asked for.

        `timeout_s` is for everything that belongs to one fetch; see `EgressGuard` for the others.
        """
        self._guard = EgressGuard(plain_http=plain_http, private_origins=private_origins, lookup=lookup)
        self._timeout_s = timeout_s
        self._threads = Threads(_THREADS, "egress", disk_errors)

    async def fetch(self, url: str, path: Path, limit_bytes: int) -> None:
        """Download what a URL names."""
        from ..egress.pinned import get  # when it is first needed: aiohttp takes longer to load than all the rest

        try:
            async with asyncio.timeout(self._timeout_s), self._guard.open(url, _HEADERS, get) as response:
                if response.status != 200 or "content-encoding" in response.headers:  # noqa: PLR2004 - OK, and nothing else: what is fetched is whole
                    raise UrlUnavailable(detail=f"The server of the URL answered {response.status}.")
                if (response.content_length or 0) > limit_bytes:
                    raise ArtifactTooLarge(detail=f"A file may have {limit_bytes} bytes at most.")
                await write_new(self._threads, response.content.iter_any(), path, limit_bytes)
        except OSError as exc:  # TimeoutError among them
            raise UrlUnavailable(detail="The server of the URL could not be reached, or broke off.") from exc

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()
