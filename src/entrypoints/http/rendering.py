"""Messages and generations as the native API shows them."""

from typing import Any

from attrs import asdict

from ...domain.generation import (
    ArtifactPart,
    Generation,
    ImagePart,
    Message,
    Part,
    SessionRef,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def generation_object(generation: Generation) -> dict[str, Any]:
    """A finished generation."""
    model, result = generation.model, generation.result
    return {
        "id": generation.id,
        "object": "generation",
        "status": "completed",
        "modality": generation.modality,
        "model": {
            "id": model.id,
            "provider": model.provider,
            "version": result.resolved_model or model.version,
        },
        "output": [part_object(part) for part in result.output],
        "finish_reason": result.finish_reason,
        "usage": asdict(result.usage),
        "session": _session_ref(generation.session) if generation.session else None,
        "state_token": generation.state_token,
        "seed": result.seed,
        "attempts": [asdict(attempt) for attempt in generation.attempts],
        "created_at": generation.created_at,
        "timing": asdict(generation.timing),
        "metadata": generation.metadata,
    }


def _session_ref(session: SessionRef) -> dict[str, Any]:
    reference = {"id": session.id, "turn": session.turn, "version": session.version}
    return reference | ({"warning": session.warning} if session.warning else {})


def message_object(message: Message) -> dict[str, Any]:
    """A message; its content is always a list of parts."""
    return {"role": message.role, "content": [part_object(part) for part in message.parts]}


def part_object(part: Part) -> dict[str, Any]:
    """A part of a message or of an output."""
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            return {"type": "image", "url": url}
        case ArtifactPart():
            return {
                "type": "artifact",
                "artifact_id": part.artifact_id,
                "media_type": part.media_type,
                "size_bytes": part.size_bytes,
                "sha256": part.sha256,
                "use": part.use,
            }
        case ToolCallPart():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments}
        case ToolResultPart():
            return {"type": "tool_result", "tool_call_id": part.tool_call_id, "text": part.text}
