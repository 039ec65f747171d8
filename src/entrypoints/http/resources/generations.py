"""`/v1/generations/text`: the envelope that all modalities share, for text."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from attrs import evolve, field, frozen
from falcon.asgi import Response

from ....application.generate import Generate, GenerateCommand
from ....domain.generation import ImagePart, Message, Part, Role, TextPart, ToolCallPart, ToolResultPart, text_message
from ....domain.model import Modality
from ....domain.parameters import Field, TextParameters
from .. import sse
from ..body import expected_version, idempotency_key, principal_of, read_body
from ..rendering import generation_object
from ..scope import Request

_encode = msgspec.json.Encoder().encode


@frozen(kw_only=True)
class TextContent:
    """Words."""

    type: Literal["text"]
    text: str

    def part(self) -> Part:
        """As the domain has it."""
        return TextPart(self.text)


@frozen(kw_only=True)
class ImageContent:
    """A picture."""

    type: Literal["image"]
    url: Annotated[str, Field("An `https:` or `data:` URL.")]

    def part(self) -> Part:
        """As the domain has it."""
        return ImagePart(self.url)


@frozen(kw_only=True)
class ToolCallContent:
    """A function that the assistant has asked for."""

    type: Literal["tool_call"]
    id: str
    name: str
    arguments: Annotated[str, Field("JSON, as the model wrote it.")]

    def part(self) -> Part:
        """As the domain has it."""
        return ToolCallPart(id=self.id, name=self.name, arguments=self.arguments)


@frozen(kw_only=True)
class ToolResultContent:
    """What the function answered."""

    type: Literal["tool_result"]
    tool_call_id: str
    text: str

    def part(self) -> Part:
        """As the domain has it."""
        return ToolResultPart(tool_call_id=self.tool_call_id, text=self.text)


Content = TextContent | ImageContent | ToolCallContent | ToolResultContent


@frozen(kw_only=True)
class InputMessage:
    """Something said in the conversation."""

    role: Role
    content: str | tuple[Content, ...]

    def message(self) -> Message:
        """As the domain has it."""
        if isinstance(self.content, str):
            return text_message(self.role, self.content)
        return Message(self.role, tuple(it.part() for it in self.content))


@frozen(kw_only=True)
class TextGeneration:
    """A request for text."""

    input: Annotated[
        str | tuple[InputMessage, ...],
        Field("What the user says, or a conversation.", examples=("Name three colours.",)),
    ]
    model: Annotated[str | None, Field("A catalog id, an alias, or `provider/model`.", max_length=512)] = None
    parameters: TextParameters = field(factory=TextParameters)
    session_id: Annotated[str | None, Field("Makes this a turn of that session.", max_length=128)] = None
    state_token: Annotated[
        str | None,
        Field(
            "Goes on from the state after the turn that it was given with; `auto`: from the session's newest state, or "
            "from its history where that cannot be had.",
            max_length=256,
        ),
    ] = None
    stream: Annotated[bool, Field("Answer as server-sent events.")] = False
    metadata: Annotated[Mapping[str, str], Field("Given back, and stored with the turn.", max_length=16)] = field(
        factory=dict
    )

    def command(self, version: int | None) -> GenerateCommand:
        """What is asked of the use case."""
        return GenerateCommand(
            modality=Modality.TEXT,
            messages=(text_message(Role.USER, self.input),)
            if isinstance(self.input, str)
            else tuple(it.message() for it in self.input),
            parameters=self.parameters,
            model=self.model,
            stream=self.stream,
            session_id=self.session_id,
            session_version=version,
            state_token=self.state_token,
            metadata=self.metadata,
        )


@frozen
class TextGenerations:
    """The resource."""

    generate: Generate

    async def on_post(self, req: Request, resp: Response) -> None:
        """Generate text."""
        command = read_body(req, TextGeneration).command(expected_version(req))
        command = evolve(command, idempotency=idempotency_key(req))
        exchange = req.exchange
        begin = self.generate.begin(command, principal_of(req), exchange.request_id)
        if command.stream:
            await sse.respond(resp, exchange, begin, sse.NativeEvents(exchange, req.path))
            return
        async with begin as running:
            resp.data = _encode(generation_object(await running.result()))
        resp.content_type = "application/json"
