"""How many tokens a generation took, where its provider counted none."""

from ...domain.generation import (
    ArtifactPart,
    GenerationRequest,
    ImagePart,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)


def estimated(request: GenerationRequest, output: tuple[Part, ...]) -> Usage:
    """A token for every four bytes of UTF-8, rounded up: about right for English, and not far off elsewhere."""
    asked = sum(_size(part) for message in request.messages for part in message.parts)
    return Usage(
        input_tokens=-(-asked // 4),
        output_tokens=-(-sum(map(_size, output)) // 4),
        source="estimated",
    )


def _size(part: Part) -> int:
    match part:
        case TextPart(text) | ToolResultPart(_, text):
            return len(text.encode())
        case ToolCallPart(_, name, arguments):
            return len(name.encode()) + len(arguments.encode())
        case ImagePart() | ArtifactPart():
            return 0
