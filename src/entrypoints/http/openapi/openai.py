"""OpenAI's routes, as they are documented: what is taken from OpenAI, and what of it is carried."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from attrs import frozen

from ....domain.generation import FinishReason
from ....domain.parameters import Field, ImageParameters, TextParameters
from .. import openai_images_wire, openai_wire
from ..schema import Schema, Schemas
from . import headers
from .failures import GENERATING, OpenAIError, OpenAIProblem
from .operation import UNNAMED, Answer, Area, Body, Operation


@frozen(kw_only=True)
class ChatAnswer:
    """What the model says."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: tuple[openai_wire.ToolCall, ...] = ()


@frozen(kw_only=True)
class ChatChoice:
    """The one choice that there is."""

    index: int
    message: ChatAnswer
    logprobs: None
    finish_reason: FinishReason


@frozen(kw_only=True)
class PromptTokens:
    """Of the input's tokens."""

    cached_tokens: int


@frozen(kw_only=True)
class ChatUsage:
    """What it took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens


@frozen(kw_only=True)
class ChatCompletion:
    """OpenAI's chat completion."""

    id: Annotated[str, Field("The generation's id.", examples=("gen_0199b1",))]
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: tuple[ChatChoice, ...]
    usage: ChatUsage
    state_token: Annotated[str, Field("What the next request can go on from, if this was a turn.")] = ""


@frozen(kw_only=True)
class ChunkChoice:
    """What is new."""

    index: int
    delta: Annotated[Mapping[str, Any], Field("`role` and `content`, or `tool_calls`.")]
    logprobs: None
    finish_reason: FinishReason | None


@frozen(kw_only=True)
class ChatCompletionChunk:
    """OpenAI's chunk; behind the last one comes `[DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: ChatUsage | None = None
    state_token: str = ""


@frozen(kw_only=True)
class OpenAIImage:
    """A picture, in one of the two ways."""

    b64_json: Annotated[str, Field("The file in base64.")] = ""
    url: Annotated[str, Field("Where it is.", format="uri")] = ""


@frozen(kw_only=True)
class OpenAIImageTokens:
    """Of the input's tokens."""

    text_tokens: int
    image_tokens: int


@frozen(kw_only=True)
class OpenAIImageUsage:
    """What it took."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: OpenAIImageTokens


@frozen(kw_only=True)
class OpenAIImages:
    """OpenAI's list of images."""

    created: int
    data: tuple[OpenAIImage, ...]
    usage: OpenAIImageUsage
    state_token: str = ""


@frozen(kw_only=True)
class PartialImage:
    """A preview."""

    type: Literal["image_generation.partial_image"]
    created_at: int
    b64_json: str
    partial_image_index: int


@frozen(kw_only=True)
class CompletedImage(OpenAIImage):
    """A picture that is done."""

    type: Literal["image_generation.completed"]
    created_at: int
    usage: OpenAIImageUsage
    state_token: str = ""


@frozen(kw_only=True)
class OpenAIStreamError:
    """Why the stream of pictures ends."""

    type: Literal["error"]
    error: OpenAIError


def _chat_body(schemas: Schemas) -> Schema:
    """OpenAI's fields and ours; what nobody knows is passed over."""
    chat = schemas.of_object(openai_wire.ChatRequest)
    parameters = schemas.of_object(TextParameters)["properties"]
    stop = parameters["stop"]
    wider = {"stop": {"description": stop.pop("description"), "anyOf": [{"type": "string"}, stop]}}
    wider["max_completion_tokens"] = parameters["max_tokens"]
    properties = _neutral(openai_wire.NEUTRAL) | parameters | wider | chat["properties"]
    return chat | {"properties": properties, "additionalProperties": True}


def _image_body(schemas: Schemas) -> Schema:
    image = schemas.of_object(openai_images_wire.ImageRequest)
    own = schemas.of_object(ImageParameters, (*openai_images_wire.OWN, "n"))["properties"]
    properties = _neutral(openai_images_wire.NEUTRAL) | image["properties"] | own
    return image | {"properties": properties, "additionalProperties": True}


def _neutral(fields: Mapping[str, tuple[Any, ...]]) -> dict[str, Schema]:
    return {
        name: {"description": "OpenAI's; taken only where it asks for nothing.", "enum": [*values, None]}
        for name, values in fields.items()
    }


OPENAI: Final = Area(
    "OpenAI",
    "OpenAI's routes, so that its clients work as they are. Unknown fields are passed over; one of OpenAI's that would "
    "change the output and is not carried is refused.",
    (
        Operation(
            method="POST",
            path="/v1/chat/completions",
            id="createChatCompletion",
            summary="Answer a conversation",
            headers=(headers.IF_MATCH_SESSION, headers.IDEMPOTENCY_KEY),
            body=Body(
                schema=_chat_body,
                examples={
                    "a question": {
                        "model": "smollm2-135m-instruct",
                        "messages": [{"role": "user", "content": "Name three colours."}],
                        "max_completion_tokens": 40,
                    }
                },
            ),
            answers={
                200: Answer(
                    description="The completion, or with `stream` its chunks and `[DONE]`.",
                    json=ChatCompletion,
                    events={UNNAMED: ChatCompletionChunk | OpenAIProblem},
                    terminator="[DONE]",
                )
            },
            errors=GENERATING,
        ),
        Operation(
            method="POST",
            path="/v1/images/generations",
            id="createImage",
            summary="Make pictures",
            headers=(headers.IF_MATCH_SESSION, headers.IDEMPOTENCY_KEY),
            body=Body(
                schema=_image_body,
                examples={"a picture": {"prompt": "a red circle", "size": "512x512", "response_format": "b64_json"}},
            ),
            answers={
                200: Answer(
                    description="The pictures, or with `stream` previews and each picture.",
                    json=OpenAIImages,
                    events={
                        "image_generation.partial_image": PartialImage,
                        "image_generation.completed": CompletedImage,
                        "error": OpenAIStreamError,
                    },
                )
            },
            errors=GENERATING,
        ),
    ),
)
