"""What is asked for and what comes back, in every modality: messages, a request, and the events of its generation."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeVar

from attrs import field, frozen

from .attempt import Attempt
from .model import Modality, Model
from .parameters import Parameters

P = TypeVar("P", bound=Parameters)


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@frozen
class TextPart:
    """Words."""

    text: str


@frozen
class ImagePart:
    """A picture, by `https:` or `data:` URL."""

    url: str


@frozen
class ToolCallPart:
    """The assistant asks the client to call a function; `arguments` is JSON as the model wrote it, not checked."""

    id: str
    name: str
    arguments: str


@frozen
class ToolResultPart:
    """What the function answered to the call with that id."""

    tool_call_id: str
    text: str


Use = Literal["image", "mask"]
"""What a picture is for: to be seen or changed, or to say where to change another one (white: here)."""


@frozen(kw_only=True)
class ArtifactPart:
    """A file that the gateway keeps, by the id of its artifact; what it is stands here too, so that events say it."""

    artifact_id: str
    media_type: str
    size_bytes: int
    sha256: str
    use: Use = "image"


Part = TextPart | ImagePart | ToolCallPart | ToolResultPart | ArtifactPart


@frozen(kw_only=True)
class InputFile:
    """A file on this machine that a generator reads."""

    path: str
    media_type: str
    use: Use = "image"


@frozen(kw_only=True)
class OutputFile:
    """A file that a generator made in the request's workspace; whoever gets `Completed` may move it.

    `facts` are what is known of it: `width` and `height` in pixels; `vertices`, `faces` and `bounds` of a mesh.
    """

    path: str
    media_type: str
    facts: Mapping[str, Any] = field(factory=dict)


@frozen
class Message:
    """Something said in a conversation."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """Its words, without anything that is not text."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def text_message(role: Role, text: str) -> Message:
    """A message of words only."""
    return Message(role, (TextPart(text),))


@frozen(kw_only=True)
class BackendState:
    """What a backend keeps or understands itself, to go on from after a generation.

    `kind` names its form for auditors, such as `gemini.thought_signatures`; `value` is the backend's own, and secret.
    """

    kind: str
    value: str
    expires_at: datetime | None = None


@frozen(kw_only=True)
class GenerationRequest:
    """What a generator is asked: everything is resolved, nothing is left to look up.

    `messages` is the whole conversation, oldest first. `state` is one that the same model gave with an earlier
    `Completed`, to go on from. `session_id` is a hint that the next request with the same one will begin with the same
    messages. `stream`: the client wants deltas as they come; without it a generator may answer
    with `Started` and `Completed` alone. `files` are what the request shows: pictures, and a mask where one is to be
    painted into. `workspace` is a folder of this request's own, in which a generator leaves the files that it makes.
    """

    id: str
    modality: Modality
    model: Model
    messages: tuple[Message, ...]
    parameters: Parameters
    stream: bool = True
    session_id: str | None = None
    state: BackendState | None = None
    files: tuple[InputFile, ...] = ()
    workspace: str | None = None

    def parameters_as(self, kind: type[P]) -> P:
        """The parameters, which a generator of that modality knows to be of this kind."""
        if not isinstance(self.parameters, kind):
            raise TypeError(f"a request for {self.modality} has no {kind.__name__}")
        return self.parameters


class FinishReason(StrEnum):
    """Why the output ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@frozen(kw_only=True)
class Usage:
    """What a generation took, in tokens. `source` says who counted; `estimated` means nobody did exactly.

    `cached_input_tokens` are those of `input_tokens` that the backend did not have to compute again.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    source: Literal["provider", "runner", "estimated"] = "provider"


@frozen
class Started:
    """The work began: it is no longer waiting in a queue."""


@frozen
class TextDelta:
    """More of the output's text."""

    text: str


@frozen
class ToolCallDelta:
    """More of a tool call: `id` and `name` come once, the arguments in pieces.

    `index` counts the tool calls of one output, from 0.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@frozen
class Progress:
    """How far work that has steps has come; `preview` is a small PNG of what there is, if one was asked for."""

    step: int
    steps: int
    eta_s: float | None = None
    preview: bytes | None = None


@frozen(kw_only=True)
class Completed:
    """The end, and the whole: `output` holds all that the deltas brought, `files` what was made besides.

    `resolved_model` is what the backend says it ran, where that is more exact than what was asked for. `state` is what
    the next request can go on from, if the backend has such a thing.
    """

    output: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage
    seed: int | None = None
    resolved_model: str | None = None
    state: BackendState | None = None
    files: tuple[OutputFile, ...] = ()


GenerationEvent = Started | TextDelta | ToolCallDelta | Progress | Completed


Metadata = Mapping[str, str]


@frozen(kw_only=True)
class FileDelivery:
    """How a client gets a kept file: as `data`, or from a `url` until it expires; `facts` are those of the artifact."""

    part: ArtifactPart
    facts: Mapping[str, Any]
    data: bytes | None = None
    url: str | None = None
    expires_at: datetime | None = None


@frozen(kw_only=True)
class SessionRef:
    """The turn of a session that a generation is, and the session's version after it.

    `warning` is for people: what will soon keep the session from going on.
    """

    id: str
    turn: int
    version: int
    warning: str | None = None


@frozen(kw_only=True)
class Timing:
    """Where the time went: waiting, up to the first output, and in all."""

    queue_ms: int
    first_output_ms: int | None
    total_ms: int


@frozen(kw_only=True)
class Generation:
    """A finished generation, as its client is told of it."""

    id: str
    modality: Modality
    model: Model
    result: Completed
    attempts: tuple[Attempt, ...]
    created_at: datetime
    timing: Timing
    session: SessionRef | None = None
    state_token: str | None = None
    files: tuple[FileDelivery, ...] = ()
    metadata: Metadata = field(factory=dict)
