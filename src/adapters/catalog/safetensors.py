"""Reads what a folder with `config.json` and `*.safetensors` says of itself, without touching the weights.

Formats: https://huggingface.co/docs/safetensors (the header of each file), and the files that transformers writes
beside them: `config.json`, `model.safetensors.index.json`, `tokenizer.json`, `chat_template.jinja`. Pickle files
(`.bin`, `.pt`, `.ckpt`) are not looked at. Like any model file these come from strangers: sizes are checked before
anything is read, and JSON is decoded into fixed shapes.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from attrs import define, field, frozen

from ...domain.discovery import ModelFileName
from ...domain.memory import attention_bytes
from ...domain.parameters import recommended
from .card import NAME as CARD
from .card import Card, read_card
from .pickles import is_pickle
from .whole import lacks_data

JSON_LIMIT = 32 * 2**20
"""Longest JSON file read, in bytes; an index of some 100,000 tensors has 10 MB."""

HEADER_LIMIT = JSON_LIMIT
"""Longest header read; the format allows three times as much, which nobody needs and a gigabyte of memory would be."""

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors"

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_TOKENIZER = "tokenizer_config.json"
_GENERATION = "generation_config.json"
_LENGTH_BYTES = 8

Shape = TypeVar("Shape")


@define(eq=False)
class MalformedSafetensors(Exception):
    """The folder is not a model that can be read.

    `truncated`: as far as it goes it may be right. `pickled`: what should be its weights is a pickle.
    """

    what: str
    truncated: bool = False
    pickled: bool = False
    foreign: bool = False

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
    chat_template_sha256: str | None = None
    context_bytes: int | None = None
    defaults: Mapping[str, Any] = field(factory=dict)
    card: Card = field(factory=Card)
    missing: tuple[str, ...] = ()


_Tokens = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


_Shape = Annotated[int, msgspec.Meta(ge=1, le=2**20)]


class _TextConfig(msgspec.Struct):
    max_position_embeddings: _Tokens | None = None
    n_positions: _Tokens | None = None
    num_hidden_layers: _Shape | None = None
    num_attention_heads: _Shape | None = None
    num_key_value_heads: _Shape | None = None
    hidden_size: _Shape | None = None
    head_dim: _Shape | None = None

    @property
    def context_length(self) -> int | None:
        return self.max_position_embeddings or self.n_positions

    @property
    def context_bytes(self) -> int | None:
        heads = self.num_attention_heads
        size = self.head_dim or (self.hidden_size // heads if self.hidden_size and heads else None)
        key_heads = self.num_key_value_heads or heads
        if not (self.num_hidden_layers and key_heads and size):
            return None
        return attention_bytes(self.num_hidden_layers, key_heads, size)


class _Config(_TextConfig):
    architectures: list[str] | None = None
    text_config: _TextConfig | None = None

    @property
    def text(self) -> _TextConfig:
        """What is said of the part that makes text, which may be one of several."""
        return self if self.context_length or self.text_config is None else self.text_config


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
        context_length=config.text.context_length,
        context_bytes=config.text.context_bytes,
        dtype=dtypes.most_common(1)[0][0] if dtypes else None,
        has_tokenizer=_any_of(_TOKENIZERS, names),
        chat_template_sha256=_template_sha256(folder, names),
        defaults=_defaults(folder, names),
        card=read_card(folder / CARD) if CARD in names else Card(),
        missing=tuple(sorted(expected.difference(names))),
    )


def _expected(folder: Path, weights: Iterable[str], names: Collection[str]) -> set[str]:
    """The files that the index lists; shards without an index lack at least that."""
    if INDEX in names:
        return set(read_json(folder / INDEX, Index).weight_map.values())
    return {INDEX} if any(ModelFileName.parse(Path(name).stem).shards > 1 for name in weights) else set()


def _any_of(wanted: Iterable[str], names: Collection[str]) -> bool:
    return any(name in names for name in wanted)


def _template_sha256(folder: Path, names: Collection[str]) -> str | None:
    """The hash of its chat template; where there are several, of what names them all."""
    for name in _TEMPLATES:
        if name in names:
            return sha256(_read(folder / name)).hexdigest()
    template = read_json(folder / _TOKENIZER, _TokenizerConfig).chat_template if _TOKENIZER in names else None
    if not template:
        return None
    return sha256(template.encode() if isinstance(template, str) else msgspec.json.encode(template)).hexdigest()


def _defaults(folder: Path, names: Collection[str]) -> dict[str, Any]:
    """The values for sampling; without sampling, the likeliest token is taken."""
    if _GENERATION not in names:
        return {}
    said = read_json(folder / _GENERATION, dict[str, Any])
    found = recommended(said)
    return found if said.get("do_sample") else found | {"temperature": 0.0}


def tensor_bytes(path: Path) -> Counter[str]:
    """How many bytes of each type the file has.

    Raises:
        MalformedSafetensors: it is damaged or not all there.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if lacks_data(file):
            raise MalformedSafetensors(f"{path.name} was given its size, but never filled", truncated=True)
        size = os.fstat(file.fileno()).st_size
        beginning = file.read(_LENGTH_BYTES)
        length = int.from_bytes(beginning, "little")
        if length > HEADER_LIMIT and is_pickle(beginning):
            raise MalformedSafetensors(
                f"{path.name} is a pickle, whatever its name says, and can run code", pickled=True
            )
        if length > HEADER_LIMIT:
            raise MalformedSafetensors(f"{path.name} is not a safetensors file, or has a header beyond all measure")
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
    return _decode(_read(path), shape, path.name)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(JSON_LIMIT + 1)
    if len(text) > JSON_LIMIT:
        raise MalformedSafetensors(f"{path.name} is longer than {JSON_LIMIT} bytes")
    return text


def _decode(text: bytes, shape: type[Shape], name: str) -> Shape:
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedSafetensors(f"{name} is damaged, or not what its name says") from exc
