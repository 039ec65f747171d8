"""The ports of access: who shows credentials, where keys are kept, and how much is used."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from ..domain.access import Limits, Principal
from ..domain.api_key import ApiKey


@frozen(kw_only=True)
class Identity:
    """Who shows a credential, believed until then at the latest without looking again."""

    principal: Principal
    until: datetime


class Authenticator(Protocol):
    """Knows one kind of credential."""

    def knows(self, credential: str) -> bool:
        """Whether it looks like one of this kind; nothing is checked, and nothing waited for."""
        ...

    async def authenticate(self, credential: str) -> Identity:
        """Who shows it.

        Raises:
            InvalidCredentials: nobody; the message does not help to guess.
            GatewayError: it cannot be found out now.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""


class KeyStore(Protocol):
    """API keys, for any number of processes. What was written is durable, and seen by all at once."""

    async def add(self, key: ApiKey) -> None:
        """Keep a new key."""

    async def replace(self, key: ApiKey, instead_of: ApiKey) -> bool:
        """Keep a key in place of what was read of it.

        Returns:
            Whether it was still that.
        """
        ...

    async def get(self, key_id: str) -> ApiKey | None:
        """The key with that id."""
        ...

    async def with_secret(self, digest: str) -> ApiKey | None:
        """The key that has a secret with that digest, good or not."""
        ...

    async def list(self) -> Sequence[ApiKey]:
        """All keys, the first one first."""
        ...

    async def used(self, key_id: str, at: datetime) -> None:
        """Note that it was used then."""


class Meter(Protocol):
    """Counts what accounts use, over all processes that share it. A minute is one of the clock's.

    Who enters again with the same ticket is the same request, which was turned away elsewhere and tries again: it
    counts once a minute.
    """

    async def enter(self, account: str, limits: Limits, ticket: str, at: datetime) -> None:
        """Admit a request, which is at work until `leave`.

        Raises:
            RateLimited: it would be one too many; it says when to come again.
        """

    async def leave(self, account: str, limits: Limits, ticket: str, at: datetime, *, tokens: int) -> None:
        """The request is over, and took so many tokens; whether it had entered or not."""

    async def renew(self, at: datetime) -> None:
        """Say that what entered here is still at work; what nobody says this of for a while has left."""
