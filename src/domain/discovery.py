"""How model files become entries of the catalog: what a file name says, which id it gets, where it came from.

Pure rules about names; the files themselves are read by the catalog's adapters.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from attrs import asdict, frozen

_SHARD = re.compile(r"-(?P<number>\d{5})-of-(?P<total>\d{5})$")
_QUANTIZATION = re.compile(
    r"(?<=.)[-._](?P<label>(?:(?:UD|i1)-)?(?:I?Q\d|TQ\d|MXFP4|NVFP4)(?:_[0-9A-Z]+)*|BF16|FP16|F16|FP32|F32)$",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"^[.~]|^te?mp[-_.]|[-._](?:part|partial|incomplete|tmp|temp|download|crdownload)$", re.IGNORECASE
)
_SIDECAR = re.compile(r"^(?:mmproj|mtp)[-._]", re.IGNORECASE)


@frozen(kw_only=True)
class ModelFileName:
    """What the name of a model file says, by GGUF's naming convention: `<name>[-.]<quantization>[-<n>-of-<m>]`.

    `series` is all of it but the shard: the shards of one model have it in common.
    """

    name: str
    series: str
    quantization: str | None = None
    shard: int = 1
    shards: int = 1

    @classmethod
    def parse(cls, stem: str) -> "ModelFileName":
        """Take apart a file name without its suffix."""
        split = _SHARD.search(stem)
        series = stem[: split.start()] if split else stem
        label = _QUANTIZATION.search(series)
        return cls(
            name=series[: label.start()] if label else series,
            series=series,
            quantization=label["label"] if label else None,
            shard=int(split["number"]) if split else 1,
            shards=int(split["total"]) if split else 1,
        )


def is_unfinished(stem: str) -> bool:
    """Whether the name is one that programs give to files they are still writing."""
    return bool(_UNFINISHED.search(stem))


def is_sidecar(stem: str) -> bool:
    """Whether the file is loaded beside a model and is none itself: a projector or a draft head."""
    return bool(_SIDECAR.search(stem))


def gguf_models(names: Iterable[str]) -> tuple[str, ...]:
    """Of each GGUF model among files of these names the first, without its shards and what is loaded beside it."""
    models: dict[tuple[str, str], str] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.suffix.lower() == ".gguf" and not is_sidecar(path.stem):
            models.setdefault((path.parent.as_posix(), ModelFileName.parse(path.stem).series), name)
    return tuple(models.values())


@frozen
class Nameable:
    """What an id is made of; `place` is the path inside the model folder, `since` when the model came there."""

    name: str
    quantization: str | None
    place: str
    since: datetime


@frozen
class Names:
    """What a model is called, and what else it answers to."""

    id: str
    aliases: tuple[str, ...]


def unique_names(found: Sequence[Nameable]) -> list[Names]:
    """Give each of these models an id and aliases, in the order given.

    An id is the name in lower case; if that is taken, with the quantization appended, then with the folder, and at last
    with a number. Who came first chooses first, so that a model that is added never takes a name away from another. The
    longer names that nobody has for an id are aliases: `smol-q8_0` stays right when it becomes the only `smol`.
    """
    order = sorted(range(len(found)), key=lambda index: (found[index].since, found[index].place))
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for index in order:
        candidates = _candidates(found[index])
        ids[index] = next((it for it in candidates if it not in taken), "") or _numbered(candidates[-1], taken)
        taken.add(ids[index])
    aliases: dict[int, tuple[str, ...]] = {}
    for index in order:
        free = [it for it in dict.fromkeys(_candidates(found[index])[1:]) if it not in taken]
        aliases[index] = tuple(free)
        taken.update(free)
    return [Names(ids[index], aliases[index]) for index in range(len(found))]


def _candidates(it: Nameable) -> list[str]:
    with_quantization = f"{it.name}-{it.quantization}" if it.quantization else it.name
    folder = it.place.rpartition("/")[0]
    with_folder = f"{with_quantization}-{folder}" if folder else with_quantization
    return [_canonical(it.name), _canonical(with_quantization), _canonical(with_folder)]


def _numbered(candidate: str, taken: Collection[str]) -> str:
    number = 1
    while f"{candidate}-{number}" in taken:
        number += 1
    return f"{candidate}-{number}"


def _canonical(name: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._") or "model"


@frozen(kw_only=True)
class SourceNote:
    """Where a model file came from, kept beside it as `<file>.source.json`.

    `source` is what a person would fetch again (`package:name==version`), `files` how many files it brought. The note
    is written before the file gets its name, and only once `sha256` was found right.
    """

    source: str
    sha256: str
    size_bytes: int
    files: int = 1
    license: str | None = None

    @staticmethod
    def name_for(file_name: str) -> str:
        """The note's file name."""
        return f"{file_name}.source.json"

    def to_json(self) -> str:
        """The note as text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "SourceNote | None":
        """Read a note; None if it is not one."""
        try:
            values = json.loads(text)
            note = cls(**values)
        except (ValueError, TypeError, RecursionError):
            return None
        typed = isinstance(note.source, str) and isinstance(note.sha256, str) and isinstance(note.size_bytes, int)
        return note if typed and isinstance(note.files, int) and isinstance(note.license, str | None) else None
