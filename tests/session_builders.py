"""Short ways to say what happened in a session; everything not named is ordinary."""

from datetime import UTC, datetime, timedelta

from pluggably.application.ports import Provenance
from pluggably.domain.attempt import Attempt
from pluggably.domain.generation import (
    Completed,
    FinishReason,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    text_message,
)
from pluggably.domain.model import Modality
from pluggably.domain.session import (
    Session,
    SessionEvent,
    SessionOpened,
    apply,
    complete_turn,
    fail_turn,
    fold,
    request_turn,
)

NOON = datetime(2030, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
ALICE = Provenance(actor="alice", method="api_key", request_id="req_1")
EVERY_PART: tuple[Part, ...] = (
    TextPart("Grüße, 世界 \x00 \ud7ff"),
    ImagePart("https://example.org/a.png"),
    ToolCallPart("call_1", "weather", '{"city": "Oslo"'),
    ToolResultPart("call_1", "rain"),
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def opened(**facts) -> SessionOpened:
    return SessionOpened(**({"owner": "alice", "at": NOON} | facts))


def ask(session: Session, *messages: Message | str, modality: Modality = Modality.TEXT, when: datetime = NOON, **facts):
    said = messages or ("Hello?",)
    ordinary = {
        "generation_id": f"gen_{len(session.turns) + 1}",
        "modality": modality,
        "model": "tiny",
        "messages": tuple(text_message(Role.USER, it) if isinstance(it, str) else it for it in said),
        "parameters": {"temperature": 0.5, "stop": ["\n"], "seed": None},
        "metadata": {},
        "at": when,
    }
    return request_turn(session, **(ordinary | facts))


def answer(session: Session, *parts: Part | str, when: datetime = NOON):
    output = tuple(TextPart(it) if isinstance(it, str) else it for it in parts or ("Hello.",))
    usage = Usage(input_tokens=3, output_tokens=2, cached_input_tokens=1, source="runner")
    return complete_turn(
        session,
        Completed(output=output, finish_reason=FinishReason.STOP, usage=usage, seed=7, resolved_model="tiny-2030"),
        provider="local",
        model="tiny",
        model_version="1",
        attempts=(Attempt(provider="local", model="tiny", status="ok", ms=12),),
        at=when,
    )


def fail(session: Session, code: str = "runner_crashed", when: datetime = NOON):
    attempts = (Attempt(provider="local", model="tiny", status=code, ms=3),)
    return fail_turn(session, code=code, detail="It crashed.", attempts=attempts, at=when)


def after(session: Session, events: tuple[SessionEvent, ...]) -> Session:
    """The state after more events."""
    for event in events:
        session = apply(session, event)
    return session


def a_session(session_id: str = "ses_a", *, turns: int = 0, when: datetime = NOON, **facts) -> Session:
    session = fold(session_id, (opened(at=when, **facts),))
    for number in range(1, turns + 1):
        session = after(session, ask(session, f"Question {number}", when=when))
        session = after(session, answer(session, f"Answer {number}", when=when))
    return session
