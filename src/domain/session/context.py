"""What a turn is told of the turns before it.

A policy keeps the newest turns and leaves out older ones, whole. Where a turn answers a tool call of the one before it,
the two are kept or left out together: a model that is shown the result of a call it never made refuses or invents one.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

from attrs import frozen

from ..generation import ArtifactPart, ImagePart, Message, Part, Role, ToolCallPart
from .turn import Turn


class ContextStrategy(StrEnum):
    """Which of the turns since the last reset are told."""

    FULL = "full"
    LAST_TURNS = "last_turns"
    TOKEN_BUDGET = "token_budget"  # noqa: S105 - not a secret


@frozen
class ContextPolicy:
    """A strategy and its limit: turns for `last_turns`, tokens for `token_budget`, none for `full`.

    Tokens are estimated, as models count them differently: one for four bytes of UTF-8, and four for each message. The
    instructions and the new request are always told and not counted.
    """

    strategy: ContextStrategy = ContextStrategy.FULL
    limit: int | None = None


FULL = ContextPolicy()


def kept(turns: Sequence[Turn], policy: ContextPolicy, request: Sequence[Message] = ()) -> tuple[Turn, ...]:
    """Those of `turns`, the newest ones, that `policy` leaves in the context of `request`.

    A turn whose tool call the request answers is kept whatever the limit is.
    """
    if policy.strategy is ContextStrategy.FULL or policy.limit is None:
        return tuple(turns)
    size = _one if policy.strategy is ContextStrategy.LAST_TURNS else estimated_tokens
    starts = [place for place, turn in enumerate(turns) if not place or not _answers_a_tool(turn.messages)]
    first, taken = len(turns), 0
    for begin, end in reversed(list(pairwise((*starts, len(turns))))):
        taken += sum(map(size, turns[begin:end]))
        needed = end == len(turns) and _answers_a_tool(request)
        if taken > policy.limit and not needed:
            break
        first = begin
    return tuple(turns[first:])


def estimated_tokens(turn: Turn) -> int:
    """About how many tokens a turn is in a context."""
    messages = (*turn.messages, Message(Role.ASSISTANT, turn.output))
    return sum(4 + -(-sum(map(_bytes, message.parts)) // 4) for message in messages)


def _one(_: Turn) -> int:
    return 1


def _answers_a_tool(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[0].role is Role.TOOL


def _bytes(part: Part) -> int:
    if isinstance(part, ImagePart | ArtifactPart):
        return 0  # what a picture costs has nothing to do with the length of its address
    if isinstance(part, ToolCallPart):
        return len(part.name.encode()) + len(part.arguments.encode())
    return len(part.text.encode())
