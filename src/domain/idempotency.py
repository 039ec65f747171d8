"""A request that may be sent twice and is carried out once: its key, and what the key was used for."""

from attrs import frozen


@frozen(kw_only=True)
class IdempotencyKey:
    """The client's name for one request, and the hex sha256 of what it asks: the same key with another is refused."""

    key: str
    fingerprint: str


@frozen(kw_only=True)
class KeyUse:
    """What an owner's key stands for: the turn of a session, or, without a turn, that session's opening.

    `instead_of` is the turn that it stood for until now and that has failed: a key is for one result, and a failure is
    none.
    """

    owner: str
    key: IdempotencyKey
    session_id: str
    turn: int | None = None
    instead_of: int | None = None
