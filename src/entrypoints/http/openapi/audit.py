"""What auditors and operators do with the log and with old sessions, as it is documented."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from attrs import frozen

from ....application.log_check import LogExamination
from ....domain.errors import NotFound
from ....domain.parameters import Field
from ....domain.retention import Disposal, Due, RetentionPolicy
from ..body import Nothing
from ..resources.audit import Export, ExportOfMany, ReadList, Replay
from ..resources.log import CheckpointList
from ..resources.retention import RetentionRun
from .failures import SESSION_READ, STORED
from .operation import Answer, Area, Body, Operation
from .session_answers import ErasureReceipt, SessionOfAll, TurnShown


@frozen(kw_only=True)
class SessionReplayed(SessionOfAll):
    """A session with its turns."""

    turns: tuple[TurnShown, ...]  # type: ignore[assignment]  # there they are a number


@frozen(kw_only=True)
class ReadRecorded:
    """A read for an audit, as it was recorded."""

    object: Literal["audit.read"]
    number: int
    what: str
    session_id: str | None
    asked: Annotated[Mapping[str, Any] | None, Field("What exactly was asked for.")]
    at: datetime
    actor: str
    method: str
    request_id: str | None
    recorded_at: datetime
    previous_hash: str
    hash: str


@frozen(kw_only=True)
class AuditKey:
    """What the signatures of exports and checkpoints are checked with."""

    object: Literal["audit.key"]
    id: str
    algorithm: Literal["Ed25519"]
    public_key: Annotated[str, Field("The key in base64.")]


@frozen(kw_only=True)
class CheckpointShown:
    """What was signed of the log."""

    object: Literal["audit.checkpoint"]
    events: int
    note: Annotated[str, Field("A signed note, C2SP.")]
    made_at: datetime


@frozen(kw_only=True)
class LogVerification(LogExamination):
    """What a check of the whole log found."""

    object: Literal["audit.verification"]
    valid: bool


@frozen(kw_only=True)
class RetentionDone:
    """What was let go of."""

    session_id: str
    what: Disposal
    state_tokens: int
    receipt: ErasureReceipt | None


@frozen(kw_only=True)
class RetentionSkipped:
    """What is due and was not done."""

    session_id: str
    what: Disposal
    code: str
    detail: str


@frozen(kw_only=True)
class RetentionShown:
    """What was due, and what became of it."""

    object: Literal["retention.report"]
    request_id: str
    dry_run: bool
    at: datetime
    policy: RetentionPolicy
    plan: tuple[Due, ...]
    done: tuple[RetentionDone, ...]
    skipped: tuple[RetentionSkipped, ...]
    has_more: bool


_EXPORTED = Answer(
    description="One event a line; `jsonl` ends with its signature, and one without it was cut off.",
    lines=Mapping[str, Any],
)

AUDIT: Final = Area(
    "Audit",
    "What auditors take away and check, and what is let go of in the end.",
    (
        Operation(
            method="GET",
            path="/v1/sessions/{session_id}/export",
            id="exportSession",
            summary="All of a session's events",
            query=Export,
            answers={200: _EXPORTED},
            errors=SESSION_READ,
        ),
        Operation(
            method="GET",
            path="/v1/sessions/{session_id}/replay",
            id="replaySession",
            summary="A session as it was, with its turns",
            query=Replay,
            answers={200: Answer(description="The session.", json=SessionReplayed)},
            errors=SESSION_READ,
        ),
        Operation(
            method="GET",
            path="/v1/audit/export",
            id="exportSessions",
            summary="All events of many sessions",
            description="Of all owners: those that are named, or all that match.",
            query=ExportOfMany,
            answers={200: _EXPORTED},
            errors=SESSION_READ,
        ),
        Operation(
            method="GET",
            path="/v1/audit/reads",
            id="listReads",
            summary="Who read what for an audit",
            query=ReadList,
            answers={200: Answer(description="One page, the first read first.", page=ReadRecorded)},
            errors=STORED,
        ),
        Operation(
            method="GET",
            path="/v1/audit/key",
            id="getAuditKey",
            summary="What signatures are checked with",
            query=Nothing,
            answers={200: Answer(description="The public key.", json=AuditKey)},
        ),
        Operation(
            method="GET",
            path="/v1/audit/verify",
            id="verifyLog",
            summary="Check the whole log",
            description="Every event, every chain and every checkpoint; it takes as long as it takes.",
            query=Nothing,
            answers={200: Answer(description="What was found.", json=LogVerification)},
            errors=(NotFound, *STORED),
        ),
        Operation(
            method="GET",
            path="/v1/audit/checkpoints",
            id="listCheckpoints",
            summary="What was signed of the log, the latest first",
            query=CheckpointList,
            answers={200: Answer(description="One page.", page=CheckpointShown)},
            errors=(NotFound, *STORED),
        ),
        Operation(
            method="POST",
            path="/v1/retention",
            id="runRetention",
            summary="Let go of what was kept long enough",
            description="Or, with `dry_run`, see what that would be.",
            body=Body(json=RetentionRun, examples={"a look": {"dry_run": True}}),
            answers={200: Answer(description="What was due, and what became of it.", json=RetentionShown)},
            errors=STORED,
        ),
    ),
)
