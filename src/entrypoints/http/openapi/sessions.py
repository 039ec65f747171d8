"""Sessions, as they are documented."""

from collections.abc import Mapping
from typing import Any, Final

from ....application.ports import Verification
from ....domain.errors import IdempotencyInProgress, IdempotencyMismatch, ModelNotFound, NotFound, SessionOnHold
from ..body import Nothing
from ..resources.session_events import EventList
from ..resources.session_schema import (
    AtVersion,
    ForkFrom,
    HoldFor,
    SessionChanges,
    SessionList,
    SessionToOpen,
    TokenList,
)
from . import headers
from .failures import SESSION_CHANGED, SESSION_READ, STORED, Problem
from .operation import Answer, Area, Body, Errors, Operation
from .session_answers import ErasureReceipt, SessionEvent, SessionShown, SessionSummary, StateTokenShown, TurnShown

_ONE = "/v1/sessions/{session_id}"


def _change(
    verb: str, summary: str, description: str = "", body: Body | None = None, errors: Errors = SESSION_CHANGED
) -> Operation:
    return Operation(
        method="POST",
        path=f"{_ONE}/{verb}",
        id=f"{verb}Session",
        summary=summary,
        description=description,
        headers=(headers.IF_MATCH_SESSION,),
        body=body or Body(json=Nothing, required=False),
        answers={200: Answer(description="The session.", json=SessionShown, headers=(headers.ETAG,))},
        errors=errors,
    )


_NEW = Answer(description="The new session.", json=SessionShown, headers=(headers.LOCATION, headers.ETAG))
_OPEN: Mapping[str, Any] = {
    "an empty one": {},
    "with instructions": {
        "title": "First",
        "instructions": "Answer in one sentence.",
        "defaults": {"text": "smollm2-135m-instruct"},
        "context": {"strategy": "last_turns", "limit": 10},
        "metadata": {"project": "demo"},
    },
}

SESSIONS: Final = Area(
    "Sessions",
    "Conversations across modalities, kept as streams of events.",
    (
        Operation(
            method="POST",
            path="/v1/sessions",
            id="openSession",
            summary="Open a session",
            headers=(headers.IDEMPOTENCY_KEY,),
            body=Body(json=SessionToOpen, required=False, examples=_OPEN),
            answers={201: _NEW},
            errors=(ModelNotFound, IdempotencyMismatch, IdempotencyInProgress, *SESSION_READ),
        ),
        Operation(
            method="GET",
            path="/v1/sessions",
            id="listSessions",
            summary="List sessions, last active first",
            query=SessionList,
            maps=("metadata",),
            answers={200: Answer(description="One page.", page=SessionSummary)},
            errors=STORED,
        ),
        Operation(
            method="GET",
            path=_ONE,
            id="getSession",
            summary="A session as it is, or as it was",
            query=AtVersion,
            answers={200: Answer(description="The session.", json=SessionShown, headers=(headers.ETAG,))},
            errors=SESSION_READ,
        ),
        Operation(
            method="PATCH",
            path=_ONE,
            id="changeSession",
            summary="Change what it is called and how it goes on",
            headers=(headers.IF_MATCH_SESSION,),
            body=Body(json=SessionChanges, required=False, examples={"another title": {"title": "Second"}}),
            answers={200: Answer(description="The session.", json=SessionShown, headers=(headers.ETAG,))},
            errors=(ModelNotFound, *SESSION_CHANGED),
        ),
        Operation(
            method="DELETE",
            path=_ONE,
            id="eraseSession",
            summary="Erase a session",
            description="Destroys its key. Its events stay, so that the chain can still be verified.",
            headers=(headers.IF_MATCH_SESSION,),
            answers={202: Answer(description="The receipt.", json=ErasureReceipt)},
            errors=(SessionOnHold, *SESSION_CHANGED),
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/turns",
            id="listTurns",
            summary="What was said, and what became of it",
            query=AtVersion,
            answers={200: Answer(description="All turns.", page=TurnShown, headers=(headers.ETAG,))},
            errors=SESSION_READ,
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/state-tokens",
            id="listStateTokens",
            summary="What its state tokens stand for",
            query=TokenList,
            answers={200: Answer(description="All tokens.", page=StateTokenShown)},
            errors=SESSION_READ,
        ),
        _change("reset", "Start a new context", "Earlier turns stay in the history."),
        _change("close", "Take no more turns"),
        _change("archive", "Take no more turns, and put it away"),
        _change(
            "hold",
            "Let nobody erase it",
            body=Body(json=HoldFor, examples={"a case": {"reason": "Case 2026/17: to be kept until it is decided."}}),
        ),
        _change("release", "Let it be erased again"),
        Operation(
            method="POST",
            path=f"{_ONE}/fork",
            id="forkSession",
            summary="Open a copy of it, as it is or as it was",
            headers=(headers.IF_MATCH_SESSION,),
            body=Body(json=ForkFrom, required=False, examples={"as it was": {"at_version": 3}}),
            answers={201: _NEW},
            errors=SESSION_CHANGED,
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/events",
            id="listEvents",
            summary="What happened, as it was recorded",
            description="By `Accept`: a page as JSON, all as NDJSON, or a live stream as server-sent events, which "
            "begins behind `after` or `Last-Event-ID` and has no `limit`.",
            query=EventList,
            headers=(headers.LAST_EVENT_ID,),
            answers={
                200: Answer(
                    description="Its events, the first one first.",
                    page=SessionEvent,
                    lines=SessionEvent,
                    events={"turn.completed": SessionEvent, "error": Problem},
                )
            },
            errors=SESSION_READ,
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/verify",
            id="verifySession",
            summary="Compute its hash chain anew",
            query=Nothing,
            answers={200: Answer(description="What was found.", json=Verification)},
            errors=(NotFound, *STORED),
        ),
    ),
)
