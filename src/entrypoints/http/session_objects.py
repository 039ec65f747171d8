"""Sessions and their turns as the API shows them."""

from typing import Any

import msgspec

from ...application.ports import Erasure, SessionSummary
from ...domain.session import HeldState, Session, Turn
from .rendering import message_object, part_object


def session_object(session: Session) -> dict[str, Any]:
    """A session; its turns are a list of their own."""
    return {
        "id": session.id,
        "object": "session",
        "title": session.title,
        "instructions": session.instructions,
        "status": session.status,
        "version": session.version,
        "turns": len(session.turns),
        "modalities": session.modalities,
        "defaults": session.defaults,
        "metadata": session.metadata,
        "context": msgspec.to_builtins(session.context),
        "forked_from": msgspec.to_builtins(session.forked_from),
        "forks": session.forks,
        "continued_from": session.continued_from,
        "continued_by": session.continued_by,
        "created_at": session.created_at,
        "last_activity_at": session.last_activity_at,
        "closed_at": session.closed_at,
        "archived_at": session.archived_at,
        "hold": session.hold,
    }


def summary_object(summary: SessionSummary) -> dict[str, Any]:
    """A session in a list."""
    return {
        "id": summary.id,
        "object": "session",
        "title": summary.title,
        "status": summary.status,
        "version": summary.version,
        "turns": summary.turns,
        "modalities": summary.modalities,
        "metadata": summary.metadata,
        "created_at": summary.created_at,
        "last_activity_at": summary.last_activity_at,
        "hold": summary.hold,
    }


def state_token_object(held: HeldState, *, revealed: bool = False) -> dict[str, Any]:
    """What may be known of a state token without being able to use it; `revealed`, with the token."""
    return {
        "object": "session.state_token",
        "turn": held.turn,
        **msgspec.to_builtins(held.state),
    } | ({"state_token": held.token} if revealed else {})


def erasure_object(erasure: Erasure) -> dict[str, Any]:
    """The receipt of an erasure."""
    return {"object": "session.erasure", **msgspec.to_builtins(erasure)}


def turn_objects(session: Session) -> list[dict[str, Any]]:
    """The turns of a session; each says whether the next one would be told of it."""
    told = {turn.number for turn in session.path(session.head)}
    return [turn_object(turn) | {"in_context": turn.number in told} for turn in session.turns]


def turn_object(turn: Turn) -> dict[str, Any]:
    """A turn and what became of it."""
    return {
        "object": "session.turn",
        "number": turn.number,
        "generation_id": turn.generation_id,
        "modality": turn.modality,
        "status": turn.status,
        "model": turn.model,
        "provider": turn.provider,
        "model_version": turn.model_version,
        "messages": [message_object(message) for message in turn.messages],
        "parameters": turn.parameters,
        "output": [part_object(part) for part in turn.output],
        "finish_reason": turn.finish_reason,
        "usage": msgspec.to_builtins(turn.usage),
        "seed": turn.seed,
        "attempts": msgspec.to_builtins(turn.attempts),
        "error": {"code": turn.error_code, "detail": turn.error_detail} if turn.error_code else None,
        "follows": turn.follows,
        "state": msgspec.to_builtins(turn.state),
        "requested_at": turn.requested_at,
        "ended_at": turn.ended_at,
        "metadata": turn.metadata,
    }
