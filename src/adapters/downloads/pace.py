"""How fast downloads may be, and how they wait when a source fails."""

import asyncio
import random

from attrs import define, field, frozen


@define(eq=False)
class RateLimit:
    """Lets so many bytes a second through, of all that share it; None: as many as come."""

    bytes_per_s: int | None
    _free_at: float = field(init=False, default=0.0)

    async def take(self, size_bytes: int) -> None:
        """Return when so many more bytes may have come."""
        if not self.bytes_per_s:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size_bytes / self.bytes_per_s
        if (wait := self._free_at - now) > 0:
            await asyncio.sleep(wait)


@frozen(kw_only=True)
class Patience:
    """How often a source is tried again that gives nothing, and how long is waited before: twice as long each time."""

    tries: int = 8
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0

    def wait_s(self, failures: int, told_s: float | None) -> float:
        """How long to wait after so many failures in a row; the source may have told how long."""
        wait: float = min(self.first_wait_s * 2.0 ** (failures - 1), self.longest_wait_s)
        return max(wait * (0.5 + random.random() / 2), min(told_s or 0.0, self.longest_wait_s))  # noqa: S311 - no secret
