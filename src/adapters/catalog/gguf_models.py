"""The models in GGUF files, each one file or its shards, with what is noted beside them of where they came from."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ...domain.discovery import ModelFileName, SourceNote, is_sidecar, is_unfinished
from ...domain.model import ModelStatus
from .found import Files, Found, modified_at
from .gguf import GgufHeader, read_gguf
from .hub import HubPlace
from .readings import Problem, Readings
from .walk import ModelFile

_GGUF = ".gguf"
_NOTE_LIMIT = 64 * 2**10


def gguf_groups(files: Files) -> list[list[ModelFile]]:
    """The GGUF files, those that are shards of one model together and in order."""
    groups: dict[tuple[str, int], list[ModelFile]] = defaultdict(list)
    for name, file in files.items():
        stem = file.path.stem
        if not name.lower().endswith(_GGUF) or is_unfinished(stem) or is_sidecar(stem):
            continue
        parsed = ModelFileName.parse(stem)
        groups[(parsed.series, parsed.shards) if parsed.shards > 1 else (name, 1)].append(file)
    return list(groups.values())


def gguf_model(root: Path, shards: Sequence[ModelFile], files: Files, readings: Readings) -> Found | None:
    """The model in these shards; None if they are something that is loaded beside one."""
    first, parsed = shards[0], ModelFileName.parse(shards[0].path.stem)
    headers = [readings.of((shard,), partial(read_gguf, shard.path)) for shard in shards]
    header = headers[0] if isinstance(headers[0], GgufHeader) else None
    if header and header.kind != "model":
        return None
    note, hub = _note(first, files, readings), HubPlace.of(first.path.parent)
    notes = [files.get(SourceNote.name_for(shard.path.name)) for shard in shards]
    return Found(
        format="gguf",
        name=parsed.name,
        label=parsed.quantization,
        place=first.path.relative_to(root).as_posix(),
        path=first.path,
        size_bytes=sum(shard.size_bytes for shard in shards),
        modified_at=modified_at(shards),
        files=(*shards, *(it for it in notes if it)),
        quantization=(header.quantization if header else None) or parsed.quantization,
        architecture=header.architecture if header else None,
        context_length=header.context_length if header else None,
        context_bytes=header.context_bytes if header else None,
        chat_template_sha256=header.chat_template_sha256 if header else None,
        defaults=header.defaults if header else {},
        license=(header.license if header else None) or (note.license if note else None),
        source=note.source if note else hub.source if hub else None,
        problem=_gguf_problem(parsed, shards, headers),
    )


def _gguf_problem(
    parsed: ModelFileName, shards: Sequence[ModelFile], headers: Sequence[GgufHeader | Problem]
) -> Problem | None:
    for shard, header in zip(shards, headers, strict=True):
        if isinstance(header, Problem):
            return header
        if shard.size_bytes < header.size_bytes:
            lacking = header.size_bytes - shard.size_bytes
            return Problem(ModelStatus.INCOMPLETE, f"the last {lacking} of {header.size_bytes} bytes are missing")
    here = {ModelFileName.parse(shard.path.stem).shard for shard in shards}
    if missing := set(range(1, parsed.shards + 1)) - here:
        return Problem(ModelStatus.INCOMPLETE, f"{len(missing)} of its {parsed.shards} shards are missing")
    return _unusable(parsed, headers)


def _unusable(parsed: ModelFileName, headers: Sequence[GgufHeader | Problem]) -> Problem | None:
    readable = [header for header in headers if isinstance(header, GgufHeader)]
    if readable[0].shards != parsed.shards:
        return Problem(
            ModelStatus.UNSUPPORTED,
            f"it is one of {readable[0].shards} shards, and the names of shards must end in -00001-of-0000N",
        )
    if not any(header.tensors for header in readable):
        return Problem(ModelStatus.UNSUPPORTED, "it has a vocabulary, but no weights")
    return None


def _note(file: ModelFile, files: Files, readings: Readings) -> SourceNote | None:
    """What was noted of where the file came from, if it is still that file."""
    if (beside := files.get(SourceNote.name_for(file.path.name))) is None:
        return None
    note = readings.of((beside,), lambda: _read_note(beside.path))
    return note if isinstance(note, SourceNote) and note.size_bytes == file.size_bytes else None


def _read_note(path: Path) -> SourceNote | None:
    with path.open("rb") as file:
        return SourceNote.from_json(file.read(_NOTE_LIMIT))
