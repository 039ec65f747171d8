"""What is kept of reads that are made for an audit: who read what is a fact, as what happened in a session is."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen


class ReadKind(StrEnum):
    """What was read."""

    SESSION = "session"
    TURNS = "turns"
    EVENTS = "events"
    VERIFY = "verify"
    REPLAY = "replay"
    EXPORT = "export"
    STATE_TOKENS = "state_tokens"
    LOG = "log"
    """The whole log, to verify it."""
    CHECKPOINTS = "checkpoints"
    READS = "reads"
    """The audit trail itself."""


OWNERS_READS = frozenset({ReadKind.SESSION, ReadKind.TURNS, ReadKind.EVENTS})
"""What owners read of their own sessions every day; all the rest is an audit, whoever makes it."""


@frozen(kw_only=True)
class AuditRead:
    """Somebody read something: of one session, or of no certain one.

    `asked` is what they asked for, such as a version or filters, by the names that these have in the API.
    """

    what: ReadKind
    at: datetime
    session_id: str | None = None
    asked: Mapping[str, str] = field(factory=dict)
