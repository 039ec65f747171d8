"""What accounts use, in an SQL database that processes share: exact, at the price of a transaction a request.

Each request of a limited account is a row. Those of one account are admitted one after the other, as each transaction
first takes hold of the account's row.
"""

from datetime import datetime, timedelta

from ...domain.access import Limits
from ...domain.errors import RateLimited
from ..database.sql import Database, microseconds

LEASE = timedelta(seconds=20)
"""How long a request is taken to be at work without its process saying so."""

MINUTE = 60_000_000
_NO_LIMIT = 2**60
_HOLD = """
INSERT INTO metered_accounts (account, last_at) VALUES (?, ?)
ON CONFLICT (account) DO UPDATE SET last_at = excluded.last_at"""
_FORGET = "DELETE FROM metered_requests WHERE account = ? AND came_in < ? AND ended_in < ? AND at_work_until <= ?"
_ENTER = """
INSERT INTO metered_requests (ticket, account, process, came_in, at_work_until, ended_in, tokens)
SELECT ?, ?, ?, ?, ?, 0, 0
WHERE (SELECT count(*) FROM metered_requests WHERE account = ? AND came_in = ? AND ticket <> ?) < ?
AND (SELECT coalesce(sum(tokens), 0) FROM metered_requests WHERE account = ? AND ended_in = ?) < ?
AND (SELECT count(*) FROM metered_requests WHERE account = ? AND at_work_until > ? AND ticket <> ?) < ?
ON CONFLICT (ticket) DO UPDATE
SET process = excluded.process, came_in = excluded.came_in, at_work_until = excluded.at_work_until
RETURNING ticket"""
_AT_WORK = "SELECT count(*) FROM metered_requests WHERE account = ? AND at_work_until > ?"
_LEAVE = """
INSERT INTO metered_requests (ticket, account, process, came_in, at_work_until, ended_in, tokens)
VALUES (?, ?, ?, 0, 0, ?, ?)
ON CONFLICT (ticket) DO UPDATE
SET at_work_until = 0, ended_in = excluded.ended_in, tokens = excluded.tokens
    + CASE WHEN metered_requests.ended_in = excluded.ended_in THEN metered_requests.tokens ELSE 0 END"""
_RENEW = "UPDATE metered_requests SET at_work_until = ? WHERE process = ? AND at_work_until > 0"


class SqlMeter:
    """Implements `Meter`. `process` is unlike the name of any other process."""

    def __init__(self, database: Database, process: str) -> None:
        """The tables are there."""
        self._database, self._process = database, process

    async def enter(self, account: str, limits: Limits, ticket: str, at: datetime) -> None:
        """Admit a request."""
        now = microseconds(at)
        minute = now // MINUTE
        requests, tokens, concurrent = (
            _NO_LIMIT if it is None else it
            for it in (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent)
        )
        entered = await self._database.run(
            (_HOLD, (account, now)),
            (_FORGET, (account, minute, minute, now)),
            (
                _ENTER,
                (
                    *(ticket, account, self._process, minute, microseconds(at + LEASE)),
                    *(account, minute, ticket, requests),
                    *(account, minute, tokens),
                    *(account, now, ticket, concurrent),
                ),
            ),
        )
        if not entered:
            ((at_work,),) = await self._database.run((_AT_WORK, (account, now)))
            raise refusal(limits, at_work=at_work, at=at)

    async def leave(self, account: str, limits: Limits, ticket: str, at: datetime, *, tokens: int) -> None:  # noqa: ARG002 - the port's signature
        """The request is over."""
        await self._database.run((_LEAVE, (ticket, account, self._process, microseconds(at) // MINUTE, tokens)))

    async def renew(self, at: datetime) -> None:
        """What entered here is still at work."""
        await self._database.run((_RENEW, (microseconds(at + LEASE), self._process)))


def refusal(limits: Limits, *, at_work: int, at: datetime) -> RateLimited:
    """Why a request is not admitted, and when to come again."""
    if limits.concurrent is not None and at_work >= limits.concurrent:
        return RateLimited(
            detail=f"Your credentials are for {limits.concurrent} requests at once, and as many are at work.",
            retry_after_s=1,
        )
    told = {
        "requests": limits.requests_per_minute,
        "tokens": limits.tokens_per_minute,
    }
    allowed = " and ".join(f"{number} {what}" for what, number in told.items() if number is not None)
    left = (MINUTE - microseconds(at) % MINUTE) / 1_000_000
    return RateLimited(
        detail=f"Your credentials are for {allowed} a minute, and these are used up.", retry_after_s=left
    )
