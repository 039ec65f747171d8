"""Reads what a GGUF file says of itself, versions 2 and 3, little-endian, without touching its weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Model files come from strangers, so nothing in here
trusts them: every read is checked against the file's size, and no header may be longer than `HEADER_LIMIT`, which
bounds the time and the memory that any file can cost. Arrays (the vocabulary, mostly) are stepped over, not built.

The start of the file is read rather than mapped: a file cut short by somebody else while it is mapped kills the whole
process (SIGBUS), and reading the megabyte or two that a header has costs no more.

A file that was preallocated and only filled here and there can look whole: only a checksum can tell.
"""

import os
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from math import prod
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

from attrs import define, field, frozen

from ...domain.memory import attention_bytes
from ...domain.parameters import recommended
from .ggml import FILE_TYPES, TENSOR_TYPES
from .pickles import is_pickle
from .whole import lacks_data

HEADER_LIMIT = 64 * 2**20
"""Longest header accepted, in bytes; a vocabulary of 256,000 tokens makes about 12 MB."""

MAX_KEYS = 2**16
MAX_TENSORS = 2**16
MAX_DIMENSIONS = 4
MAX_ARRAY_DEPTH = 4

_LARGEST_SHAPE = 2**20
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_BIG_ENDIAN_3 = 3 << 24
_FIRST_READ = 2**20
_U32 = Struct("<I")
_U64 = Struct("<Q")
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: Struct("<B"),
    1: Struct("<b"),
    2: Struct("<H"),
    3: Struct("<h"),
    4: _U32,
    5: Struct("<i"),
    6: Struct("<f"),
    7: Struct("<?"),
    10: _U64,
    11: Struct("<q"),
    12: Struct("<d"),
}

_SAMPLING = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_p": "top_p",
    "general.sampling.top_k": "top_k",
    "general.sampling.min_p": "min_p",
    "general.sampling.penalty_repeat": "repetition_penalty",
}

Scalar = int | float | str


@define(eq=False)
class MalformedGguf(Exception):
    """The file is not a GGUF that can be read: what is wrong, and at which byte.

    `truncated`: as far as it goes it may be right, but it ends inside its header, or its end was never written.
    `foreign`: it is whole, but of a kind that cannot be run here. `pickled`: it is a pickle.
    """

    what: str
    at: int
    truncated: bool = False
    foreign: bool = False
    pickled: bool = False

    def __str__(self) -> str:
        return f"{self.what} (at byte {self.at})"


@frozen(kw_only=True)
class GgufHeader:
    """What a GGUF file says of itself.

    `values` are its scalars and strings by key, `lengths` the lengths of its arrays. `size_bytes` is the least size
    that the whole file has: a smaller file is not all there. `tensor_bytes` has the bytes by tensor type.
    """

    version: int
    values: Mapping[str, Scalar]
    lengths: Mapping[str, int]
    tensors: int
    tensor_bytes: Mapping[int, int]
    size_bytes: int

    @property
    def architecture(self) -> str | None:
        """Such as `llama`."""
        return self._text("general.architecture")

    @property
    def kind(self) -> str:
        """`model`, or what else it is: `adapter` (LoRA), `mmproj` (projector of a vision model), `imatrix`, …"""
        if self.architecture == "clip":  # projectors made before `general.type` existed
            return "mmproj"
        return self._text("general.type") or "model"

    @property
    def name(self) -> str | None:
        """What its makers call it."""
        return self._text("general.name")

    @property
    def license(self) -> str | None:
        """Its licence, an SPDX expression if its makers kept to the specification."""
        return self._text("general.license")

    @property
    def context_length(self) -> int | None:
        """How many tokens it was trained to attend to."""
        return self._count(f"{self.architecture}.context_length")

    @property
    def vocabulary_size(self) -> int | None:
        """How many tokens it knows."""
        return self.lengths.get("tokenizer.ggml.tokens") or self._count(f"{self.architecture}.vocab_size")

    @property
    def quantization(self) -> str | None:
        """How the weights are stored: the stated file type, or else the tensor type that takes the most bytes."""
        stated = self.values.get("general.file_type")
        if isinstance(stated, int) and stated in FILE_TYPES:
            return FILE_TYPES[stated]
        known = {number: size for number, size in self.tensor_bytes.items() if number in TENSOR_TYPES}
        return TENSOR_TYPES[max(known, key=known.__getitem__)][0] if known else None

    @property
    def context_bytes(self) -> int | None:
        """The memory that a token of context takes, if the file tells its shape."""
        layers, heads = self._shape("block_count"), self._shape("attention.head_count")
        width = self._shape("embedding_length")
        size = self._shape("attention.key_length") or (width // heads if width and heads else None)
        key_heads = self._shape("attention.head_count_kv") or heads
        if not (layers and key_heads and size) or max(layers, key_heads, size) > _LARGEST_SHAPE:
            return None
        return attention_bytes(layers, key_heads, size)

    @property
    def defaults(self) -> dict[str, Any]:
        """The parameters that its makers recommend."""
        return recommended({_SAMPLING[key]: value for key, value in self.values.items() if key in _SAMPLING})

    @property
    def chat_template_sha256(self) -> str | None:
        """The hash of its chat template; None if it has none."""
        template = self._text("tokenizer.chat_template")
        return sha256(template.encode()).hexdigest() if template else None

    @property
    def shards(self) -> int:
        """How many files the model is split into."""
        return self._count("split.count") or 1

    def _shape(self, key: str) -> int | None:
        return self._count(f"{self.architecture}.{key}")

    def _text(self, key: str) -> str | None:
        value = self.values.get(key)
        return value if isinstance(value, str) and value else None

    def _count(self, key: str) -> int | None:
        value = self.values.get(key)
        return value if isinstance(value, int) and value > 0 else None


def read_gguf(path: Path) -> GgufHeader:
    """Read the header of the file.

    Raises:
        MalformedGguf: it is not GGUF, or damaged, or its header is not all there.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if lacks_data(file):
            raise MalformedGguf("it was given its size, but never filled", 0, truncated=True)
        return _header(_Cursor(file, os.fstat(file.fileno()).st_size))


@define
class _Cursor:
    """A place in a file that moves forward; `window` holds the file's start, as far as it was needed."""

    file: BinaryIO
    size: int
    window: bytes = b""
    at: int = field(default=0)

    def malformed(self, what: str, *, foreign: bool = False) -> MalformedGguf:
        return MalformedGguf(what, self.at, foreign=foreign)

    def reach(self, end: int) -> None:
        """See to it that the window holds every byte before `end`."""
        if end <= len(self.window):
            return
        if end > HEADER_LIMIT:
            raise self.malformed("something in the header is longer than any header may be")
        wanted = min(max(end, _FIRST_READ, 4 * len(self.window)), HEADER_LIMIT)
        self.window += self.file.read(wanted - len(self.window))
        if end > len(self.window):
            raise MalformedGguf("the file ends inside its header", len(self.window), truncated=True)

    def take(self, count: int) -> bytes:
        start, end = self.at, self.at + count
        self.reach(end)
        self.at = end
        return self.window[start:end]

    def skip(self, count: int) -> None:
        self.reach(self.at + count)
        self.at += count

    def number(self, layout: Struct) -> int:
        self.reach(self.at + layout.size)
        value: int = layout.unpack_from(self.window, self.at)[0]
        self.at += layout.size
        return value

    def count(self, most: int, what: str) -> int:
        value = self.number(_U64)
        if value > most:
            raise self.malformed(f"{value} {what}, more than the {most} that are allowed")
        return value

    def string(self) -> bytes:
        return self.take(self.number(_U64))

    def skip_strings(self, count: int) -> None:
        """Step over strings; this loop is where the time goes, a turn for each token of the vocabulary."""
        at, window, known, length_at = self.at, self.window, len(self.window) - 8, _U64.unpack_from
        for _ in range(count):
            if at > known:
                self.reach(at + 8)
                window, known = self.window, len(self.window) - 8
            at += 8 + length_at(window, at)[0]
        self.skip(at - self.at)

    def skip_array(self, depth: int = 1) -> int:
        """Step over an array and return how many elements it has."""
        kind, count = self.number(_U32), self.number(_U64)
        if kind in _SCALARS:
            self.skip(count * _SCALARS[kind].size)
        elif kind == _STRING:
            self.skip_strings(count)
        elif kind == _ARRAY and depth < MAX_ARRAY_DEPTH:
            for _ in range(count):
                self.skip_array(depth + 1)
        else:
            raise self.malformed(f"an array of type {kind} at depth {depth}")
        return count


def _header(cursor: _Cursor) -> GgufHeader:
    version = _version(cursor)
    tensors = cursor.count(MAX_TENSORS, "tensors")
    keys = cursor.count(MAX_KEYS, "keys")
    values, lengths = _key_values(cursor, keys)
    tensor_bytes, data_bytes = _tensors(cursor, tensors, alignment := _alignment(cursor, values))
    return GgufHeader(
        version=version,
        values=values,
        lengths=lengths,
        tensors=tensors,
        tensor_bytes=tensor_bytes,
        size_bytes=-(-cursor.at // alignment) * alignment + data_bytes if data_bytes else cursor.at,
    )


def _version(cursor: _Cursor) -> int:
    if (magic := cursor.take(len(_MAGIC))) != _MAGIC:
        pickled = is_pickle(magic)
        raise MalformedGguf("a pickle, which can run code" if pickled else "not a GGUF file", 0, pickled=pickled)
    version = cursor.number(_U32)
    if version == _BIG_ENDIAN_3:
        raise cursor.malformed("a big-endian file, which cannot be run here", foreign=True)
    if version not in _VERSIONS:
        raise cursor.malformed(f"GGUF version {version}, known are 2 and 3", foreign=True)
    return version


def _key_values(cursor: _Cursor, count: int) -> tuple[dict[str, Scalar], dict[str, int]]:
    values: dict[str, Scalar] = {}
    lengths: dict[str, int] = {}
    for _ in range(count):
        key = _key(cursor)
        if key in values or key in lengths:
            raise cursor.malformed(f"the key {key!r} twice")
        kind = cursor.number(_U32)
        if kind == _ARRAY:
            lengths[key] = cursor.skip_array()
        elif kind == _STRING:
            values[key] = cursor.string().decode(errors="replace")
        elif kind in _SCALARS:
            values[key] = cursor.number(_SCALARS[kind])
        else:
            raise cursor.malformed(f"the key {key!r} with a value of type {kind}")
    return values, lengths


def _key(cursor: _Cursor) -> str:
    try:
        return cursor.take(cursor.count(2**16 - 1, "bytes in a key")).decode("ascii")
    except UnicodeDecodeError as exc:
        raise cursor.malformed("a key that is not ASCII") from exc


def _alignment(cursor: _Cursor, values: Mapping[str, Scalar]) -> int:
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        raise cursor.malformed("an alignment that is not a power of two")
    return alignment


def _tensors(cursor: _Cursor, count: int, alignment: int) -> tuple[Counter[int], int]:
    """The bytes by tensor type, and how many bytes of tensor data there must be."""
    sizes: Counter[int] = Counter()
    data_bytes = 0
    for _ in range(count):
        cursor.skip(cursor.number(_U64))
        dimensions = _dimensions(cursor)
        kind, offset = cursor.number(_U32), cursor.number(_U64)
        if offset % alignment:
            raise cursor.malformed("a tensor that is not aligned")
        size = _tensor_bytes(cursor, kind, dimensions)
        sizes[kind] += size
        data_bytes = max(data_bytes, offset + size)
    return sizes, data_bytes


def _dimensions(cursor: _Cursor) -> list[int]:
    count = cursor.number(_U32)
    if count > MAX_DIMENSIONS:
        raise cursor.malformed(f"a tensor of {count} dimensions")
    return [cursor.number(_U64) for _ in range(count)]


def _tensor_bytes(cursor: _Cursor, kind: int, dimensions: list[int]) -> int:
    """The size of a tensor; 0, the least it can be, for a type newer than our table."""
    if kind not in TENSOR_TYPES:
        return 0
    _, block, block_bytes = TENSOR_TYPES[kind]
    elements = prod(dimensions)
    if elements >= 2**63 or (dimensions[0] if dimensions else 1) % block:
        raise cursor.malformed("a tensor whose shape cannot be")
    return elements // block * block_bytes
