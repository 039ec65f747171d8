"""What a vendor wants to be shown again exactly as it wrote it: signed thoughts between a question and its answer.

Our messages hold neither thoughts nor signatures, so the vendor's own content of an answer is kept as the state after
it. When the same model goes on from that state, each message of the assistant that says the same takes the content's
place again, byte for byte. Only what belongs to the answer that is still being made is kept: everything after the last
message of the user that is more than results of tools.
"""

from collections.abc import Sequence

import msgspec
from attrs import frozen

from ...domain.errors import StateTokenRefused
from ...domain.generation import BackendState, Message, Part, Role, TextPart, ToolCallPart, ToolResultPart


class Written(msgspec.Struct, frozen=True):
    """The content of one answer as the vendor wrote it, and by what its message is known again."""

    text: str
    calls: tuple[str, ...]
    content: msgspec.Raw


_decode = msgspec.json.Decoder(tuple[Written, ...]).decode


@frozen
class Verbatim:
    """The answers of a conversation that are shown as they were written."""

    written: tuple[Written, ...] = ()

    @classmethod
    def of(cls, state: BackendState | None, kind: str) -> "Verbatim":
        """Those that a state holds; none without a state.

        Raises:
            StateTokenRefused: the state is of another kind, or none that was given here.
        """
        if state is None:
            return cls()
        if state.kind != kind:
            raise StateTokenRefused(detail=f"This provider goes on from states of the kind {kind!r} only.")
        try:
            return cls(_decode(state.value))
        except (msgspec.DecodeError, UnicodeError) as exc:
            raise StateTokenRefused(detail="The state is none that this provider gave.") from exc

    def content(self, message: Message) -> msgspec.Raw | None:
        """What the vendor wrote for that message of the assistant, if it is kept."""
        text, calls = _known_by(message.parts)
        return next((it.content for it in self.written if (it.text, it.calls) == (text, calls)), None)

    def after(self, messages: Sequence[Message], output: tuple[Part, ...], content: bytes, kind: str) -> BackendState:
        """The state after an answer to these messages, which the vendor wrote as `content`: a JSON array."""
        kept = [it for it in self.written if any(_says(it, message) for message in _unanswered(messages))]
        text, calls = _known_by(output)
        written = (*kept, Written(text, calls, msgspec.Raw(content)))
        return BackendState(kind=kind, value=msgspec.json.encode(written).decode())


def _says(written: Written, message: Message) -> bool:
    return message.role is Role.ASSISTANT and _known_by(message.parts) == (written.text, written.calls)


def _known_by(parts: Sequence[Part]) -> tuple[str, tuple[str, ...]]:
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    return text, tuple(part.id for part in parts if isinstance(part, ToolCallPart))


def _unanswered(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages after the last one that is the user's own."""
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        own = any(not isinstance(part, ToolResultPart) for part in message.parts)
        if message.role is Role.USER and own:
            return messages[place + 1 :]
    return messages
