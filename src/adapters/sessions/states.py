"""State tokens and what they stand for, sealed with their session's key, apart from the events.

An event tells of a token only what anybody who reads it may know. The token itself and the backend's state are in a row
of their own, which is found by the token's digest, can be deleted when its time is over, and is gone with the key.
"""

from attrs import frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...domain.errors import GatewayError
from ...domain.session import HeldState
from ..sealing import seal, unseal
from .canonical_json import CanonicalJson
from .list_row import microseconds
from .topics import CONVERTER

_JSON = CanonicalJson()


@frozen(kw_only=True)
class SealedState:
    """One row, as the database holds it; `expires_at` is microseconds since 1970."""

    digest: str
    session_id: str
    turn: int
    expires_at: int
    sealed: bytes


def to_sealed(held: HeldState, key: bytes) -> SealedState:
    """The row of a token."""
    return SealedState(
        digest=held.state.digest,
        session_id=held.session_id,
        turn=held.turn,
        expires_at=microseconds(held.state.expires_at),
        sealed=seal(
            AESGCM(key), _JSON.encode(CONVERTER.unstructure(held)), _bound_to(held.session_id, held.state.digest)
        ),
    )


def to_held(row: SealedState, key: bytes) -> HeldState:
    """The token of a row.

    Raises:
        GatewayError: the row was altered.
    """
    try:
        content = unseal(AESGCM(key), row.sealed, _bound_to(row.session_id, row.digest))
    except InvalidTag as exc:
        raise GatewayError(detail=f"A state token of session {row.session_id} is not as it was stored.") from exc
    return CONVERTER.structure(_JSON.decode(content), HeldState)


def _bound_to(session_id: str, digest: str) -> bytes:
    return _JSON.encode([session_id, digest])
