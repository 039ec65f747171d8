"""Keys and what accounts use, in memory: for tests, and for a service of one process."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import evolve

from ...domain.access import Limits
from ...domain.api_key import ApiKey
from ...domain.errors import RateLimited

_MINUTE_S = 60


class MemoryKeyStore:
    """Implements `KeyStore`."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def add(self, key: ApiKey) -> None:
        """Keep a new key."""
        self._keys[key.id] = key

    async def replace(self, key: ApiKey, instead_of: ApiKey) -> bool:
        """Keep a key in place of what was read of it."""
        kept = self._keys.get(key.id)
        if kept is None or evolve(kept, last_used_at=None) != evolve(instead_of, last_used_at=None):
            return False
        self._keys[key.id] = evolve(key, last_used_at=kept.last_used_at)
        return True

    async def get(self, key_id: str) -> ApiKey | None:
        """The key with that id."""
        return self._keys.get(key_id)

    async def with_secret(self, digest: str) -> ApiKey | None:
        """The key that has a secret with that digest."""
        return next((key for key in self._keys.values() if any(it.digest == digest for it in key.secrets)), None)

    async def list(self) -> Sequence[ApiKey]:
        """All keys."""
        return [key for _, key in sorted(self._keys.items())]

    async def used(self, key_id: str, at: datetime) -> None:
        """Note that it was used."""
        self._keys[key_id] = evolve(self._keys[key_id], last_used_at=at)


class MemoryMeter:
    """Implements `Meter`, for one process: what a minute has seen is forgotten with the next one."""

    def __init__(self) -> None:
        self._minute = -1
        self._requests: defaultdict[str, set[str]] = defaultdict(set)
        self._tokens: Counter[str] = Counter()
        self._at_work: defaultdict[str, set[str]] = defaultdict(set)

    async def enter(self, account: str, limits: Limits, ticket: str, at: datetime) -> None:
        """Admit a request."""
        self._turn(at)
        at_work, requests = self._at_work[account] - {ticket}, self._requests[account] - {ticket}
        if limits.concurrent is not None and len(at_work) >= limits.concurrent:
            raise RateLimited(
                detail=f"Your credentials are for {limits.concurrent} requests at once, and as many are at work.",
                retry_after_s=1,
            )
        for what, number, used in (
            ("requests", limits.requests_per_minute, len(requests)),
            ("tokens", limits.tokens_per_minute, self._tokens[account]),
        ):
            if number is not None and used >= number:
                raise RateLimited(
                    detail=f"Your credentials are for {number} {what} a minute, and these are used up.",
                    retry_after_s=_MINUTE_S - at.timestamp() % _MINUTE_S,
                )
        self._requests[account].add(ticket)
        self._at_work[account].add(ticket)

    async def leave(self, account: str, limits: Limits, ticket: str, at: datetime, *, tokens: int) -> None:  # noqa: ARG002 - the port's signature
        """The request is over."""
        self._turn(at)
        self._tokens[account] += tokens
        self._at_work[account].discard(ticket)
        if not self._at_work[account]:
            del self._at_work[account]

    async def renew(self, at: datetime) -> None:
        """Nothing to say: what is at work is known."""

    def _turn(self, at: datetime) -> None:
        minute = int(at.astimezone(UTC).timestamp()) // _MINUTE_S
        if minute != self._minute:
            self._minute = minute
            self._requests.clear()
            self._tokens.clear()
