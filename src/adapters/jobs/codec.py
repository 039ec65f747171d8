"""Jobs as JSON: what was asked, and what there is to tell of them. Stored by this version, read by all later ones."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from attrs import evolve, field, frozen
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from ...application.job_ports import Asked
from ...application.transcript import Numbered, Piece
from ...domain.generation import (
    ArtifactPart,
    Generation,
    ImagePart,
    Part,
    Progress,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
)
from ...domain.job import JobFailure
from ...domain.model import Modality, Model, remembered
from ...domain.parameters import ImageParameters, Model3DParameters, Parameters, TextParameters, given

_PART_TAGS: dict[type[Part], str] = {
    TextPart: "text",
    ImagePart: "image",
    ToolCallPart: "tool_call",
    ToolResultPart: "tool_result",
    ArtifactPart: "artifact",
}
_PIECE_TAGS: dict[type[Piece], str] = {TextDelta: "text", ToolCallDelta: "tool_call", Progress: "progress"}
_PARAMETERS: dict[str, type[Parameters]] = {
    Modality.TEXT.value: TextParameters,
    Modality.IMAGE.value: ImageParameters,
    Modality.MODEL_3D.value: Model3DParameters,
}
_MODALITIES = {kind: modality for modality, kind in _PARAMETERS.items()}


@frozen(kw_only=True)
class Told:
    """What is told of a job besides where it is."""

    metadata: Mapping[str, str] = field(factory=dict)
    failure: JobFailure | None = None
    result: Generation | None = None


def encode(value: Asked | Told) -> bytes:
    """As JSON; of a result without what only this moment knows: URLs of files, the backend's own state."""
    if isinstance(value, Told) and value.result:
        generation = value.result
        value = evolve(value, result=evolve(generation, files=(), result=evolve(generation.result, state=None)))
    return msgspec.json.encode(_CONVERTER.unstructure(value))


def decode_asked(text: bytes) -> Asked:
    """What was asked."""
    return _CONVERTER.structure(msgspec.json.decode(text), Asked)


def decode_told(text: bytes) -> Told:
    """What is told."""
    return _CONVERTER.structure(msgspec.json.decode(text), Told)


def encode_pieces(pieces: Sequence[Numbered]) -> bytes:
    """Some of what a job gives."""
    return msgspec.json.encode(_CONVERTER.unstructure(pieces, Sequence[Numbered]))


def decode_pieces(text: bytes) -> list[Numbered]:
    """Some of what a job gives."""
    return _CONVERTER.structure(msgspec.json.decode(text), list[Numbered])


def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_structure_hook_func(lambda kind: kind in (Any, object), lambda value, _: value)
    converter.register_unstructure_hook(Parameters, lambda it: [_MODALITIES[type(it)], given(it)])
    converter.register_structure_hook(Parameters, lambda value, _: _parameters(*value))
    converter.register_unstructure_hook(Model, lambda it: [it.id, it.provider, it.modality.value, it.version])
    converter.register_structure_hook(
        Model, lambda value, _: remembered(value[0], value[1], Modality(value[2]), value[3])
    )
    converter.register_structure_hook(bytes, lambda text, _: b64decode(text))
    configure_tagged_union(Piece, converter, tag_generator=_PIECE_TAGS.__getitem__, tag_name="type")
    configure_tagged_union(Part, converter, tag_generator=_PART_TAGS.__getitem__, tag_name="type")
    converter.register_unstructure_hook(
        Generation, make_dict_unstructure_fn(Generation, converter, files=override(omit=True))
    )
    return converter


def _parameters(modality: str, values: dict[str, Any]) -> Parameters:
    known: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
    return _PARAMETERS[modality](**known)


_CONVERTER = _converter()
