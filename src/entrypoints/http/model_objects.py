"""Models as the API shows them."""

from collections.abc import Iterable
from typing import Any

import msgspec
from attrs import fields

from ...domain.bounds import Bounds
from ...domain.model import Modality, Model
from ...domain.parameters import CHOOSING, PARAMETERS
from .schema import object_schema

_MOST_SHOWN = 10_000
_encode = msgspec.json.Encoder().encode


def model_object(model: Model, *, default: bool, with_path: bool = False) -> dict[str, Any]:
    """A model: OpenAI's fields and ours. Where its files are is for operators only."""
    shown = {
        "id": model.id,
        "object": "model",
        "created": int(model.created_at.timestamp()) if model.created_at else 0,
        "owned_by": model.provider,
        "name": model.name,
        "version": model.version,
        "modality": model.modality,
        "provider": model.provider,
        "capabilities": sorted(model.capabilities),
        "aliases": model.aliases,
        "default": default,
        "size_bytes": model.size_bytes,
        "memory_bytes": model.memory_bytes,
        "quantization": model.quantization,
        "architecture": model.architecture,
        "context_length": model.context_length,
        "chat_template_sha256": model.chat_template_sha256,
        "license": model.license,
        "gated": model.gated,
        "source": model.source,
        "origin": model.origin,
        "status": model.status,
        "reason": model.reason,
        "pinned": model.pinned,
        "pickled": model.pickled,
        "allow_pickle": model.allows_pickle,
        "parameters": model.presets,
        "recommended": model.defaults,
        "last_used_at": model.last_used_at,
    }
    return shown | {"path": model.path} if with_path else shown


class ShownModels:
    """Models as JSON. What was shown before, and is the same still, is not put together again."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[Model, bool, bool, bytes]] = {}

    def of(self, model: Model, *, default: bool, with_path: bool) -> msgspec.Raw:
        """The model's object, encoded."""
        known = self._shown.get(model.id)
        if known and known[0] is model and known[1] is default and known[2] is with_path:
            return msgspec.Raw(known[3])
        if len(self._shown) >= _MOST_SHOWN:
            self._shown.clear()
        body = _encode(model_object(model, default=default, with_path=with_path))
        self._shown[model.id] = (model, default, with_path, body)
        return msgspec.Raw(body)


def parameter_schema(modality: Modality, model: Model | None = None) -> dict[str, Any]:
    """JSON Schema of the parameters of a modality, or of those that a model honours, with what it takes by default."""
    title = f"Parameters of {model.id}" if model else f"Parameters for {modality}"
    schema = object_schema(PARAMETERS[modality], model.parameters if model else None)
    for name, value in ({**model.defaults, **model.presets} if model else {}).items():
        if name in schema["properties"]:
            schema["properties"][name] = {**schema["properties"][name], "default": value}
    for name, bounds in (model.bounds if model else {}).items():
        if name in schema["properties"]:
            schema["properties"][name] = _bounded(schema["properties"][name], bounds)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def _bounded(schema: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    most = min(schema["maximum"], bounds.maximum) // bounds.multiple_of * bounds.multiple_of
    return {
        **schema,
        "minimum": max(schema["minimum"], bounds.multiple_of),
        "maximum": most,
        "multipleOf": bounds.multiple_of,
        "examples": [schema.get("default", most)],
    }


def selection_object(modality: Modality, models: Iterable[Model], default: str | None) -> dict[str, Any]:
    """How to choose among the models of a modality: what to look at, and what each has of it."""
    return {
        "guidance": CHOOSING[modality],
        "default": default,
        "models": [_choice_object(model) for model in models],
    }


def _choice_object(model: Model) -> dict[str, Any]:
    """What tells a model from the others: which parameters it lacks, and what it takes where they are not given."""
    return {
        "id": model.id,
        "status": model.status,
        "capabilities": sorted(model.capabilities),
        "context_length": model.context_length,
        "size_bytes": model.size_bytes,
        "memory_bytes": model.memory_bytes,
        "quantization": model.quantization,
        "lacks": [it.name for it in fields(PARAMETERS[model.modality]) if it.name not in model.parameters],
        "defaults": {**model.defaults, **model.presets},
    }
