"""Conversations as chat templates take them, for engines that read text only."""

from collections.abc import Sequence

from ...domain.errors import InvalidRequest
from ...domain.generation import Message, Role, TextPart


def text_messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages, each by its role and content.

    Raises:
        InvalidRequest: one has something else than text, or is a tool's.
    """
    return [_text_message(index, message) for index, message in enumerate(messages)]


def _text_message(index: int, message: Message) -> dict[str, str]:
    if message.role is Role.TOOL or not all(isinstance(part, TextPart) for part in message.parts):
        raise InvalidRequest.at(f"/input/{index}", "this model reads text only: no images, tool calls or tool results")
    return {"role": message.role.value, "content": message.text}
