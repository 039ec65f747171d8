"""What the messages of a request may say."""

from typing import Annotated, Literal

from attrs import frozen

from ....domain.generation import (
    ArtifactPart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    text_message,
)
from ....domain.parameters import Field


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
class ArtifactContent:
    """A file that the gateway keeps: one that was uploaded, or made before."""

    type: Literal["artifact"]
    artifact_id: Annotated[str, Field("Its id.", max_length=128)]
    use: Annotated[Literal["image", "mask"], Field("To be seen or changed, or to say by white where to change.")] = (
        "image"
    )

    def part(self) -> Part:
        """As the domain has it; what else is known of the artifact is looked up later."""
        return ArtifactPart(artifact_id=self.artifact_id, media_type="", size_bytes=0, sha256="", use=self.use)


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


Content = TextContent | ImageContent | ArtifactContent | ToolCallContent | ToolResultContent


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
