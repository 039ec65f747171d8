"""Turns the files of a model folder into models found, each with what its format says and what is wrong with it.

A model is one GGUF file, or its shards together, or a folder of safetensors, or a diffusion pipeline: a folder with
`model_index.json`, and its components in folders below it. What is loaded beside a model (projectors, LoRA adapters,
draft heads) and what is only half written is left out; the components of a pipeline are no models of their own.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from attrs import define, field, frozen

from ...domain.discovery import ModelFileName, SourceNote, is_sidecar, is_unfinished
from ...domain.model import ModelStatus
from .diffusers import INDEX as PIPELINE
from .diffusers import PipelineFolder, read_pipeline
from .gguf import GgufHeader, read_gguf
from .hub import HubPlace
from .pickles import SUFFIXES as PICKLES
from .pickles import is_pickle_file
from .pipelines import KINDS, PipelineKind
from .readings import Problem, Readings
from .safetensors import CONFIG, INDEX, SUFFIX, SafetensorsFolder, read_safetensors
from .walk import ModelFile

Files = Mapping[str, ModelFile]

_GGUF = ".gguf"
_TEXT_ARCHITECTURES = ("ForCausalLM", "LMHeadModel")
_BELONGING = (SUFFIX, *PICKLES, ".jinja", ".json", ".md", ".model", ".txt")
_NOTE_LIMIT = 64 * 2**10


@frozen(kw_only=True)
class Found:
    """A model on disk; `place` is its path inside the model folder, `label` the quantization that its name states.

    `files` are all that belong to it, also beside its weights.
    """

    format: Literal["gguf", "safetensors", "pickle", "diffusers"]
    name: str
    label: str | None
    place: str
    path: Path
    size_bytes: int
    modified_at: datetime
    files: tuple[ModelFile, ...]
    quantization: str | None = None
    architecture: str | None = None
    context_length: int | None = None
    context_bytes: int | None = None
    chat_template_sha256: str | None = None
    defaults: Mapping[str, Any] = field(factory=dict)
    license: str | None = None
    source: str | None = None
    pipeline: PipelineKind | None = None
    problem: Problem | None = None


@define
class _Place:
    """A folder with its files; if it is a pipeline, those of the folders below it too, by their paths in it."""

    folder: Path
    files: Files
    below: dict[str, Files] = field(factory=dict)

    @property
    def is_pipeline(self) -> bool:
        return PIPELINE in self.files


def find_models(root: Path, folders: Iterable[tuple[Path, Files]], readings: Readings) -> Iterator[Found]:
    """The models in what `walk` showed of a root, in an order that only depends on their names."""
    for place in _places(folders):
        folder, files = place.folder, place.files
        if place.is_pipeline:
            yield _pipeline_model(root, place, readings)
            continue
        for shards in _gguf_groups(files):
            if found := _gguf_model(root, shards, files, readings):
                yield found
        if CONFIG in files and (INDEX in files or any(name.endswith(SUFFIX) for name in files)):
            yield _safetensors_model(root, folder, files, readings)
        elif CONFIG in files and (pickled := _pickles(files, readings)):
            yield _pickled_model(root, folder, files, pickled)


def _places(folders: Iterable[tuple[Path, Files]]) -> Iterator[_Place]:
    pipeline: _Place | None = None
    for folder, files in folders:
        if pipeline and folder.is_relative_to(pipeline.folder):
            pipeline.below[folder.relative_to(pipeline.folder).as_posix()] = files
            continue
        if pipeline:
            yield pipeline
        place = _Place(folder, files)
        pipeline = place if place.is_pipeline else None
        if not pipeline:
            yield place
    if pipeline:
        yield pipeline


def _gguf_groups(files: Files) -> list[list[ModelFile]]:
    """The GGUF files, those that are shards of one model together and in order."""
    groups: dict[tuple[str, int], list[ModelFile]] = defaultdict(list)
    for name, file in files.items():
        stem = file.path.stem
        if not name.lower().endswith(_GGUF) or is_unfinished(stem) or is_sidecar(stem):
            continue
        parsed = ModelFileName.parse(stem)
        groups[(parsed.series, parsed.shards) if parsed.shards > 1 else (name, 1)].append(file)
    return list(groups.values())


def _gguf_model(root: Path, shards: Sequence[ModelFile], files: Files, readings: Readings) -> Found | None:
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
        modified_at=_modified(shards),
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


def _safetensors_model(root: Path, folder: Path, files: Files, readings: Readings) -> Found:
    said = readings.of(tuple(files.values()), lambda: read_safetensors(folder, files.keys()))
    whole = said if isinstance(said, SafetensorsFolder) else None
    weights, hub = [file for name, file in files.items() if name.endswith(SUFFIX)], HubPlace.of(folder)
    return Found(
        format="safetensors",
        name=hub.name if hub else folder.name,
        label=None,
        place=folder.relative_to(root).as_posix(),
        path=folder,
        size_bytes=sum(file.size_bytes for file in weights),
        modified_at=_modified([files[CONFIG], *weights]),
        files=_belonging(files),
        quantization=whole.dtype if whole else None,
        architecture=whole.architecture if whole else None,
        context_length=whole.context_length if whole else None,
        context_bytes=whole.context_bytes if whole else None,
        chat_template_sha256=whole.chat_template_sha256 if whole else None,
        defaults=whole.defaults if whole else {},
        source=hub.source if hub else None,
        problem=_safetensors_problem(said),
    )


def _belonging(files: Files) -> tuple[ModelFile, ...]:
    """Those that models of this kind are made of; of what else lies there nobody knows whose it is."""
    return tuple(file for name, file in files.items() if name.lower().endswith(_BELONGING))


def _pickles(files: Files, readings: Readings) -> list[ModelFile]:
    """Those that are pickles by their content, among those that are called like weights."""
    named = [file for name, file in files.items() if name.lower().endswith(PICKLES)]
    return [file for file in named if readings.of((file,), partial(is_pickle_file, file.path)) is True]


def _pickled_model(root: Path, folder: Path, files: Files, pickled: Sequence[ModelFile]) -> Found:
    hub = HubPlace.of(folder)
    return Found(
        format="pickle",
        name=hub.name if hub else folder.name,
        label=None,
        place=folder.relative_to(root).as_posix(),
        path=folder,
        size_bytes=sum(file.size_bytes for file in pickled),
        modified_at=_modified([files[CONFIG], *pickled]),
        files=_belonging(files),
        source=hub.source if hub else None,
        problem=Problem(
            ModelStatus.UNSUPPORTED,
            f"its weights ({pickled[0].path.name}) are pickles, which can run code: only safetensors are opened",
            pickled=True,
        ),
    )


def _safetensors_problem(said: SafetensorsFolder | Problem) -> Problem | None:
    if isinstance(said, Problem):
        return said
    if incomplete := _incomplete(said.missing):
        return incomplete
    if not (said.architecture or "").endswith(_TEXT_ARCHITECTURES):
        return Problem(
            ModelStatus.UNSUPPORTED, f"its architecture is {said.architecture}, only causal language models run here"
        )
    return None if said.has_tokenizer else Problem(ModelStatus.INCOMPLETE, "its tokenizer is missing")


def _pipeline_model(root: Path, place: _Place, readings: Readings) -> Found:
    parts = {"": place.files, **place.below}
    files = {f"{part}/{name}": file for part, names in parts.items() for name, file in names.items()}
    said = readings.of(tuple(files.values()), lambda: read_pipeline(place.folder, parts))
    whole = said if isinstance(said, PipelineFolder) else None
    weights, hub = [files[name] for name in whole.weights] if whole else [], HubPlace.of(place.folder)
    return Found(
        format="diffusers",
        name=hub.name if hub else place.folder.name,
        label=None,
        place=place.folder.relative_to(root).as_posix(),
        path=place.folder,
        size_bytes=sum(file.size_bytes for file in weights),
        modified_at=_modified([place.files[PIPELINE], *weights]),
        files=_belonging(files),
        quantization=whole.dtype if whole else None,
        architecture=whole.pipeline if whole else None,
        source=hub.source if hub else None,
        license=whole.license if whole else None,
        pipeline=KINDS.get(whole.pipeline or "") if whole else None,
        problem=_pipeline_problem(said),
    )


def _pipeline_problem(said: PipelineFolder | Problem) -> Problem | None:
    if isinstance(said, Problem):
        return said
    if said.pipeline not in KINDS:
        return Problem(ModelStatus.UNSUPPORTED, f"its pipeline is {said.pipeline}, which nothing here runs")
    if said.pickled:
        return Problem(
            ModelStatus.UNSUPPORTED,
            f"the weights of {', '.join(said.pickled)} are pickles, which can run code: only safetensors are opened",
            pickled=True,
        )
    return _incomplete(said.missing)


def _incomplete(missing: Sequence[str]) -> Problem | None:
    if not missing:
        return None
    others = f", and {len(missing) - 1} more files" if len(missing) > 1 else ""
    return Problem(ModelStatus.INCOMPLETE, f"{missing[0]} is missing{others}")


def _modified(files: Sequence[ModelFile]) -> datetime:
    return datetime.fromtimestamp(max(file.modified_ns for file in files) / 1e9, UTC)
