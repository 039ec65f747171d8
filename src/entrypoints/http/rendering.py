"""Messages and generations as the native API shows them; bytes become base64 when the answer is encoded."""

from typing import Any

from attrs import asdict

from ...domain.generation import (
    ArtifactPart,
    FileDelivery,
    Generation,
    ImagePart,
    Message,
    Part,
    Progress,
    SessionRef,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def generation_object(generation: Generation, base: str) -> dict[str, Any]:
    """A finished generation; `base` is how its client reaches this service, such as `https://example.com`."""
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
        "output": output_objects(generation, base),
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


def output_objects(generation: Generation, base: str) -> list[dict[str, Any]]:
    """The output of a generation, with its files as they are delivered."""
    files = {delivery.part: delivery for delivery in generation.files}
    return [
        file_object(files[part], base) if isinstance(part, ArtifactPart) and part in files else part_object(part)
        for part in generation.result.output
    ]


def file_object(file: FileDelivery, base: str) -> dict[str, Any]:
    """A file in an answer: its bytes in base64, or the artifact and where to get it."""
    part = file.part
    facts = {"media_type": part.media_type, "size_bytes": part.size_bytes, "sha256": part.sha256, **file.facts}
    if file.data is not None:
        return {"type": "inline", "data": file.data, "artifact_id": part.artifact_id, **facts}
    artifact = {"id": part.artifact_id, **facts, "url": absolute(file.url or "", base), "expires_at": file.expires_at}
    return {"type": "artifact", "artifact": artifact}


def absolute(url: str, base: str) -> str:
    """The URL; where the service does not know how it is reached, it is reached as by the request."""
    return f"{base}{url}" if url.startswith("/") else url


def progress_object(progress: Progress) -> dict[str, Any]:
    """How far work has come, with a preview if there is one."""
    preview = progress.preview and {"media_type": "image/png", "data": progress.preview}
    return {"step": progress.step, "steps": progress.steps, "eta_s": progress.eta_s} | (
        {"preview": preview} if preview else {}
    )


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
