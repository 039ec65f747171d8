"""How events are named and written: a closed registry of topics, and each event as plain JSON values.

A stored topic or tag is never the name of a Python class or module, so a rename here breaks no stored session, and
nothing in a database can name code to be run. What is stored once must be read for ever: a change of an event's fields
gets a new topic (`turn.completed.v2`) and a function in `UPCASTERS` that makes values of the new form out of the old.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.strategies import configure_tagged_union

from ...domain.errors import GatewayError
from ...domain.generation import ArtifactPart, ImagePart, Part, TextPart, ToolCallPart, ToolResultPart
from ...domain.session import (
    ContextCut,
    SessionArchived,
    SessionChanged,
    SessionClosed,
    SessionContinued,
    SessionErased,
    SessionEvent,
    SessionForked,
    SessionHeld,
    SessionOpened,
    SessionReleased,
    SessionReset,
    StateFellBack,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)

Values = dict[str, Any]
"""An event as JSON values: what its fields hold, without its topic."""

TOPICS: dict[str, type[SessionEvent]] = {
    "session.opened.v3": SessionOpened,
    "session.changed.v1": SessionChanged,
    "context.cut.v1": ContextCut,
    "state.fell_back.v1": StateFellBack,
    "turn.requested.v2": TurnRequested,
    "turn.completed.v3": TurnCompleted,
    "turn.failed.v1": TurnFailed,
    "session.reset.v1": SessionReset,
    "session.closed.v1": SessionClosed,
    "session.archived.v1": SessionArchived,
    "session.erased.v1": SessionErased,
    "session.held.v1": SessionHeld,
    "session.released.v1": SessionReleased,
    "session.forked.v1": SessionForked,
    "session.continued.v1": SessionContinued,
}


def _with_head(values: Values) -> Values:
    """Say of each turn which one it followed, where version 2 only said of each whether it was in the context."""
    head, turns = None, []
    for turn in values["turns"]:
        facts = {name: value for name, value in turn.items() if name != "in_context"}
        turns.append(facts | {"follows": head if turn["in_context"] else None})
        head = turn["number"] if turn["in_context"] else head
    return {**values, "turns": turns, "head": head}


def _unchanged(values: Values) -> Values:
    """What was added are fields that have defaults."""
    return values


UPCASTERS: dict[str, tuple[str, Callable[[Values], Values]]] = {
    "session.opened.v1": ("session.opened.v2", lambda values: {"turns": (), **values}),
    "session.opened.v2": ("session.opened.v3", _with_head),
    "turn.requested.v1": ("turn.requested.v2", _unchanged),
    "turn.completed.v1": ("turn.completed.v2", _unchanged),
    "turn.completed.v2": ("turn.completed.v3", _unchanged),
}
"""For each old topic the one that followed it, and how its values become the new ones."""

PART_TAGS: dict[type[Part], str] = {
    TextPart: "text",
    ImagePart: "image",
    ToolCallPart: "tool_call",
    ToolResultPart: "tool_result",
    ArtifactPart: "artifact",
}

_TOPIC_OF = {event_class: topic for topic, event_class in TOPICS.items()}


def to_stored(event: SessionEvent) -> tuple[str, Values]:
    """The topic and the values of an event."""
    return _TOPIC_OF[type(event)], CONVERTER.unstructure(event)


def from_stored(topic: str, values: Values) -> SessionEvent:
    """The event of a topic and its values, in whichever version they were stored.

    Raises:
        GatewayError: this version of the gateway does not know the topic, or the values are not of its form.
    """
    while topic in UPCASTERS:
        topic, upcast = UPCASTERS[topic]
        values = upcast(values)
    if topic not in TOPICS:
        raise GatewayError(
            detail=f"A stored session has an event {topic!r}, which this version of the gateway does not know: "
            "it was written by a newer one."
        )
    try:
        return CONVERTER.structure(values, TOPICS[topic])
    except BaseValidationError as exc:
        raise GatewayError(detail=f"A stored event {topic!r} does not have the form of its kind.") from exc


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    configure_tagged_union(Part, converter, tag_generator=PART_TAGS.__getitem__, tag_name="type")
    return converter


CONVERTER = _converter()
"""Between domain values and JSON values."""
