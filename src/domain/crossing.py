"""What a model is told of what models of other modalities made: the files that it can take, and words for the rest.

A text model is told of each picture and mesh in a sentence, unless it sees pictures. A model that makes pictures or
meshes is given the words of the request alone, and the pictures that it can begin with: those that the request shows,
or else, where it needs one, the last one of the conversation.
"""

from collections.abc import Sequence

from attrs import evolve, frozen

from .errors import InvalidRequest
from .generation import ArtifactPart, Message, Part, Role, TextPart
from .model import Modality, Model

SEES_PICTURES = "vision"
FROM_WORDS = frozenset({"text-to-image", "text-to-3d"})
FROM_PICTURES = frozenset({"image-to-image", "image-to-3d", "inpainting"})


@frozen
class Brief:
    """What a model that makes pictures or meshes is told: the words, and the pictures to begin with."""

    words: str
    pictures: tuple[ArtifactPart, ...] = ()


def retold(messages: Sequence[Message], model: Model) -> tuple[Message, ...]:
    """The messages for a text model: what it cannot see is told to it in words."""
    if not any(isinstance(part, ArtifactPart) for message in messages for part in message.parts):
        return tuple(messages)
    sees = SEES_PICTURES in model.capabilities
    return tuple(
        evolve(message, parts=tuple(_retold(part, message.role, sees=sees) for part in message.parts))
        if any(isinstance(part, ArtifactPart) for part in message.parts)
        else message
        for message in messages
    )


def brief(context: Sequence[Message], request: Sequence[Message], model: Model, *, edits: bool) -> Brief:
    """What `model` is told of a request; with `edits`, the request is about a picture even if it shows none.

    Raises:
        InvalidRequest: there are no words and no picture, or a picture that the model cannot begin with.
    """
    words = "\n".join(filter(None, (message.text for message in request if message.role is Role.USER))).strip()
    shown = pictures(request)
    takes, needs = bool(model.capabilities & FROM_PICTURES), not model.capabilities & FROM_WORDS
    if shown and not takes:
        raise InvalidRequest.at("/input", f"model {model.id!r} begins with words only: show it no picture")
    if not shown and takes and (needs or edits):
        shown = pictures(context)[-1:]
    if (needs or edits) and not shown:
        raise InvalidRequest.at("/input", f"must show a picture, which model {model.id!r} begins with")
    if not words and not shown:
        raise InvalidRequest.at("/input", "must say what to make")
    return Brief(words, shown)


def pictures(messages: Sequence[Message]) -> tuple[ArtifactPart, ...]:
    """The pictures in these messages, the first one first."""
    return tuple(
        part
        for message in messages
        for part in message.parts
        if isinstance(part, ArtifactPart) and part.media_type.startswith("image/")
    )


def begins_with_a_picture(context: Sequence[Message], request: Sequence[Message], modality: Modality) -> bool:
    """Whether a request is for a model that begins with a picture, where it names none.

    It is if it shows one; and if a mesh is wanted of what was made just before.
    """
    return bool(pictures(request)) or (modality is Modality.MODEL_3D and bool(pictures(context[-1:])))


def _retold(part: Part, role: Role, *, sees: bool) -> Part:
    if not isinstance(part, ArtifactPart):
        return part
    is_picture = part.media_type.startswith("image/")
    if is_picture and sees:
        return part
    what = "picture" if is_picture else "3D model"
    return TextPart(f"[A {what} was {'made' if role is Role.ASSISTANT else 'shown'} here: {part.media_type}]")
