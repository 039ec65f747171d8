"""A session's row in the list: written in the transaction that stores its events, so that the list never lags.

The title, the metadata and the reason of a hold are content: they are sealed with the session's key, and gone with it.
"""

from datetime import UTC, datetime, timedelta

from attrs import evolve, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...application.ports import SessionSummary
from ...domain.errors import GatewayError
from ...domain.model import Modality
from ...domain.session import Session, SessionStatus
from ..sealing import seal, unseal
from .canonical_json import CanonicalJson
from .keyring import Keyring

_JSON = CanonicalJson()
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class ListRow:
    """One row, as the database holds it; times are microseconds since 1970, `tip` is the hash of the last event.

    `modalities` are joined by commas and have one at either end, so that each can be looked for as `,name,`.
    `active_by` is the process that the running turn began in, if one runs. `held`, 0 or 1: it must not be erased.
    """

    id: str
    owner: str
    status: str
    version: int
    turns: int
    modalities: str
    created_at: int
    last_activity_at: int
    closed_at: int | None
    held: int
    active_by: str | None
    tip: str
    sealed: bytes


def to_row(session: Session, *, tip: str, key: bytes, active_by: str | None) -> ListRow:
    """The row of a session that has been opened; `active_by` is of no account while no turn runs."""
    if session.created_at is None or session.last_activity_at is None:
        raise GatewayError(detail=f"The first event of session {session.id} does not open it.")
    content = _JSON.encode({"title": session.title, "metadata": dict(session.metadata), "hold": session.hold})
    return ListRow(
        id=session.id,
        owner=session.owner,
        status=session.status.value,
        version=session.version,
        turns=len(session.turns),
        modalities=f",{','.join(session.modalities)},",
        created_at=microseconds(session.created_at),
        last_activity_at=microseconds(session.last_activity_at),
        closed_at=microseconds(session.closed_at) if session.closed_at else None,
        held=int(session.hold is not None),
        active_by=active_by if session.active_turn is not None else None,
        tip=tip,
        sealed=seal(AESGCM(key), content, session.id.encode()),
    )


def labels_of(session: Session | SessionSummary, keyring: Keyring) -> list[bytes]:
    """By what the session is found; an erased one by nothing."""
    if session.status is SessionStatus.ERASED:
        return []
    return [keyring.label(session.owner, *it) for it in session.metadata.items()]


def without_content(row: ListRow) -> ListRow:
    """The row of an erased session: nothing is left of its title and its metadata."""
    return evolve(row, sealed=b"")


def to_summary(row: ListRow, *, key: bytes) -> SessionSummary:
    """The session as a list shows it.

    Raises:
        GatewayError: the row was altered.
    """
    try:
        content = _JSON.decode(unseal(AESGCM(key), row.sealed, row.id.encode()))
    except InvalidTag as exc:
        raise GatewayError(detail=f"The list entry of session {row.id} is not as it was stored.") from exc
    return SessionSummary(
        id=row.id,
        owner=row.owner,
        title=content["title"],
        status=SessionStatus(row.status),
        version=row.version,
        turns=row.turns,
        modalities=tuple(Modality(name) for name in row.modalities.split(",") if name),
        metadata=content["metadata"],
        created_at=from_microseconds(row.created_at),
        last_activity_at=from_microseconds(row.last_activity_at),
        hold=content.get("hold"),  # which rows of early versions do not have
    )


def microseconds(moment: datetime) -> int:
    """Exact microseconds since 1970."""
    return (moment - _1970) // timedelta(microseconds=1)


def from_microseconds(count: int) -> datetime:
    """The time so many microseconds after the beginning of 1970, in UTC."""
    return _1970 + timedelta(microseconds=count)
