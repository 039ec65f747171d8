"""Generations as they are answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from attrs import frozen

from ....domain.attempt import Attempt
from ....domain.generation import FinishReason, Timing, ToolCallDelta, Usage, Use
from ....domain.model import Modality
from ....domain.parameters import Field
from .failures import Problem


@frozen(kw_only=True)
class ModelAsked:
    """The model that answered."""

    id: str
    provider: str
    version: Annotated[str | None, Field("What exactly ran, where that is known.")]


@frozen(kw_only=True)
class TextPart:
    """Words."""

    type: Literal["text"]
    text: str


@frozen(kw_only=True)
class ImagePart:
    """A picture."""

    type: Literal["image"]
    url: str


@frozen(kw_only=True)
class ToolCallPart:
    """A function that the model asks for."""

    type: Literal["tool_call"]
    id: str
    name: str
    arguments: Annotated[str, Field("JSON, as the model wrote it.")]


@frozen(kw_only=True)
class ToolResultPart:
    """What a function answered."""

    type: Literal["tool_result"]
    tool_call_id: str
    text: str


@frozen(kw_only=True)
class ArtifactPart:
    """A file that the gateway keeps."""

    type: Literal["artifact"]
    artifact_id: str
    media_type: str
    size_bytes: int
    sha256: str
    use: Use


@frozen(kw_only=True)
class FileFacts:
    """What is known of a file: of a picture its size in pixels, of a mesh its parts and its extent."""

    media_type: Annotated[str, Field("Its media type.", examples=("image/png",))]
    size_bytes: int
    sha256: str
    width: Annotated[int, Field("How wide.", 1, unit="pixels")] = 1
    height: Annotated[int, Field("How high.", 1, unit="pixels")] = 1
    vertices: int = 0
    faces: int = 0
    bounds: Annotated[tuple[tuple[float, ...], ...], Field("The least and the greatest corner.")] = ()


@frozen(kw_only=True)
class InlineFile(FileFacts):
    """A file in the answer."""

    type: Literal["inline"]
    data: Annotated[str, Field("The file in base64.")]
    artifact_id: str


@frozen(kw_only=True)
class FileAtUrl(FileFacts):
    """A file, and where to get it."""

    id: Annotated[str, Field("The artifact's id.", examples=("art_0199b1",))]
    url: Annotated[str, Field("Where to get it, without credentials.", format="uri")]
    expires_at: Annotated[datetime | None, Field("When the URL is not good any more.")]


@frozen(kw_only=True)
class LinkedFile:
    """A file by its URL."""

    type: Literal["artifact"]
    artifact: FileAtUrl


Output = TextPart | ImagePart | ToolCallPart | InlineFile | LinkedFile
Part = TextPart | ImagePart | ToolCallPart | ToolResultPart | ArtifactPart


@frozen(kw_only=True)
class TurnMade:
    """The turn of a session that a generation is."""

    id: Annotated[str, Field("The session's id.", examples=("ses_0199b1",))]
    turn: Annotated[int, Field("Which turn, counted from 1.")] = 1
    version: Annotated[int, Field("The session's version after it.")] = 1
    warning: Annotated[str, Field("What will soon keep the session from going on.")] = ""


@frozen(kw_only=True)
class PreviewShown:
    """A small picture of what there is so far."""

    media_type: Literal["image/png"]
    data: Annotated[str, Field("The picture in base64.")]


@frozen(kw_only=True)
class ProgressShown:
    """How far work that has steps has come."""

    step: int
    steps: int
    eta_s: Annotated[float | None, Field("About how long it still takes.", unit="seconds")]
    preview: Annotated[PreviewShown | None, Field("A preview, where one was asked for.")] = None


@frozen(kw_only=True)
class GenerationShown:
    """A generation: the whole once it is `completed`, until then what is known."""

    id: Annotated[str, Field("Its id.", examples=("gen_0199b1",))]
    object: Literal["generation"]
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    modality: Modality
    model: ModelAsked
    output: tuple[Output, ...]
    session: Annotated[TurnMade | None, Field("The turn of a session that this is, if it is one.")]
    created_at: datetime
    metadata: Mapping[str, str]
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    state_token: Annotated[str | None, Field("What the next request can go on from, if this was a turn.")] = None
    seed: int | None = None
    attempts: tuple[Attempt, ...] = ()
    timing: Timing | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: ProgressShown | None = None
    error: Annotated[Problem | None, Field("Why it failed.")] = None


@frozen(kw_only=True, slots=False)  # so that a class can have another base besides
class OfGeneration:
    """What every event of a stream has."""

    generation_id: str
    sequence: Annotated[int, Field("The number of the event, from 1.")]


@frozen(kw_only=True)
class StartedEvent(OfGeneration):
    """`started`: the work began."""

    model: ModelAsked
    created_at: datetime


@frozen(kw_only=True)
class DeltaEvent(OfGeneration):
    """`delta`: more of the output: text, or a piece of a tool call."""

    index: int
    text: str = ""
    tool_call: ToolCallDelta | None = None


@frozen(kw_only=True)
class ProgressEvent(OfGeneration, ProgressShown):
    """`progress`: how far it has come."""


@frozen(kw_only=True)
class CompletedEvent(OfGeneration, GenerationShown):
    """`completed`: the whole generation. Only a stream that ends so was a success."""


@frozen(kw_only=True)
class ErrorEvent(OfGeneration, Problem):
    """`error`: why it failed."""


EVENTS: Mapping[str, Any] = {
    "started": StartedEvent,
    "delta": DeltaEvent,
    "progress": ProgressEvent,
    "completed": CompletedEvent,
    "error": ErrorEvent,
}
"""The events of a generation's stream, by name."""
