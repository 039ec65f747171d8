"""Reads what a folder with `config.json` and `*.safetensors` says of itself, without touching the weights.

Formats: https://huggingface.co/docs/safetensors (the header of each file), and the files that transformers writes
beside them: `config.json`, `model.safetensors.index.json`, `tokenizer.json`, `chat_template.jinja`. Pickle files
(`.bin`, `.pt`, `.ckpt`) are not looked at. Like any model file these come from strangers: sizes are checked before
anything is read, and JSON is decoded into fixed shapes.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from attrs import define, frozen

from ...domain.discovery import ModelFileName

HEADER_LIMIT = 100_000_000
"""Longest header that the format allows, in bytes."""

JSON_LIMIT = 32 * 2**20
"""Longest JSON file read, in bytes; an index of some 100,000 tensors has 10 MB."""

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors"

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_LENGTH_BYTES = 8

Shape = TypeVar("Shape")


@define(eq=False)
class MalformedSafetensors(Exception):
    """The folder is not a model that can be read; `truncated`: as far as it goes it may be right."""

    what: str
    truncated: bool = False

    def __str__(self) -> str:
        return self.what


@frozen(kw_only=True)
class SafetensorsFolder:
    """What a folder of safetensors says of itself.

    `dtype` is the type that most of the weights have, `missing` the files that belong to it and are not there.
    """

    architecture: str | None
    context_length: int | None
    dtype: str | None
    has_tokenizer: bool
    has_chat_template: bool
    missing: tuple[str, ...] = ()


_Tokens = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class _TextConfig(msgspec.Struct):
    max_position_embeddings: _Tokens | None = None
    n_positions: _Tokens | None = None


class _Config(_TextConfig):
    architectures: list[str] | None = None
    text_config: _TextConfig | None = None

    @property
    def context_length(self) -> int | None:
        return (
            self.max_position_embeddings
            or self.n_positions
            or (self.text_config.max_position_embeddings if self.text_config else None)
        )


class Index(msgspec.Struct):
    """In which file each tensor is."""

    weight_map: dict[str, str]


class _TokenizerConfig(msgspec.Struct):
    chat_template: str | list[dict[str, str]] | None = None


class _Tensor(msgspec.Struct):
    """An entry of a header; `__metadata__`, which is none, decodes to one without bytes."""

    dtype: str = ""
    data_offsets: tuple[_Offset, _Offset] = (0, 0)


def read_safetensors(folder: Path, names: Collection[str]) -> SafetensorsFolder:
    """Read the files `names` of the folder, as far as they say what the model is.

    Raises:
        MalformedSafetensors: one of them is damaged or not all there.
        OSError: one of them cannot be read.
    """
    config = read_json(folder / CONFIG, _Config)
    weights = sorted(name for name in names if name.endswith(SUFFIX))
    expected = _expected(folder, weights, names)
    dtypes: Counter[str] = Counter()
    for name in sorted(expected.intersection(names)) if expected else weights:
        dtypes.update(tensor_bytes(folder / name))
    return SafetensorsFolder(
        architecture=config.architectures[0] if config.architectures else None,
        context_length=config.context_length,
        dtype=dtypes.most_common(1)[0][0] if dtypes else None,
        has_tokenizer=_any_of(_TOKENIZERS, names),
        has_chat_template=_has_chat_template(folder, names),
        missing=tuple(sorted(expected.difference(names))),
    )


def _expected(folder: Path, weights: Iterable[str], names: Collection[str]) -> set[str]:
    """The files that the index lists; shards without an index lack at least that."""
    if INDEX in names:
        return set(read_json(folder / INDEX, Index).weight_map.values())
    return {INDEX} if any(ModelFileName.parse(Path(name).stem).shards > 1 for name in weights) else set()


def _any_of(wanted: Iterable[str], names: Collection[str]) -> bool:
    return any(name in names for name in wanted)


def _has_chat_template(folder: Path, names: Collection[str]) -> bool:
    if _any_of(_TEMPLATES, names):
        return True
    config = "tokenizer_config.json"
    return config in names and bool(read_json(folder / config, _TokenizerConfig).chat_template)


def tensor_bytes(path: Path) -> Counter[str]:
    """How many bytes of each type the file has.

    Raises:
        MalformedSafetensors: it is damaged or not all there.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > HEADER_LIMIT:
            raise MalformedSafetensors(f"{path.name} is not a safetensors file")
        if size < _LENGTH_BYTES + length:
            raise MalformedSafetensors(f"{path.name} ends inside its header", truncated=True)
        header = file.read(length)
    tensors = _decode(header, dict[str, _Tensor], path.name).values()
    _check_size(path.name, size - _LENGTH_BYTES - length, tensors)
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.data_offsets[1] - tensor.data_offsets[0]
    return +sizes


def _check_size(name: str, data_bytes: int, tensors: Collection[_Tensor]) -> None:
    if any(tensor.data_offsets[0] > tensor.data_offsets[1] for tensor in tensors):
        raise MalformedSafetensors(f"{name} has a tensor that ends before it begins")
    wanted = max((tensor.data_offsets[1] for tensor in tensors), default=0)
    if data_bytes < wanted:
        raise MalformedSafetensors(f"{name} lacks {wanted - data_bytes} bytes", truncated=True)
    if data_bytes > wanted:
        raise MalformedSafetensors(f"{name} has {data_bytes - wanted} bytes too many")


def read_json(path: Path, shape: type[Shape]) -> Shape:
    """The JSON file, in that shape.

    Raises:
        MalformedSafetensors: it is damaged, too long, or something else.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(JSON_LIMIT + 1)
    if len(text) > JSON_LIMIT:
        raise MalformedSafetensors(f"{path.name} is longer than {JSON_LIMIT} bytes")
    return _decode(text, shape, path.name)


def _decode(text: bytes, shape: type[Shape], name: str) -> Shape:
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedSafetensors(f"{name} is damaged, or not what its name says") from exc
