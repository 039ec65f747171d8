"""The models that are folders: safetensors, pickles, and pipelines with a folder for each component."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ...domain.model import ModelStatus
from .diffusers import INDEX as PIPELINE
from .diffusers import PipelineFolder, read_pipeline
from .found import Files, Found, modified_at
from .hub import HubPlace
from .pickles import SUFFIXES as PICKLES
from .pickles import is_pickle_file
from .pipelines import KINDS
from .readings import Problem, Readings
from .safetensors import CONFIG, SUFFIX, SafetensorsFolder, read_safetensors
from .walk import ModelFile

_TEXT_ARCHITECTURES = ("ForCausalLM", "LMHeadModel")
_BELONGING = (SUFFIX, *PICKLES, ".jinja", ".json", ".md", ".model", ".txt")


def safetensors_model(root: Path, folder: Path, files: Files, readings: Readings) -> Found:
    """The model in a folder with `config.json` and weights in safetensors."""
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
        modified_at=modified_at([files[CONFIG], *weights]),
        files=_belonging(files),
        quantization=whole.dtype if whole else None,
        architecture=whole.architecture if whole else None,
        context_length=whole.context_length if whole else None,
        context_bytes=whole.context_bytes if whole else None,
        chat_template_sha256=whole.chat_template_sha256 if whole else None,
        defaults=whole.defaults if whole else {},
        license=whole.card.license if whole else None,
        gated=whole.card.gated if whole else None,
        source=hub.source if hub else None,
        problem=_safetensors_problem(said),
    )


def _belonging(files: Files) -> tuple[ModelFile, ...]:
    """Those that models of this kind are made of; of what else lies there nobody knows whose it is."""
    return tuple(file for name, file in files.items() if name.lower().endswith(_BELONGING))


def pickles_among(files: Files, readings: Readings) -> list[ModelFile]:
    """Those that are pickles by their content, among those that are called like weights."""
    named = [file for name, file in files.items() if name.lower().endswith(PICKLES)]
    return [file for file in named if readings.of((file,), partial(is_pickle_file, file.path)) is True]


def pickled_model(root: Path, folder: Path, files: Files, pickled: Sequence[ModelFile]) -> Found:
    """A model whose weights are pickles; it is listed to say why it is not run."""
    hub = HubPlace.of(folder)
    return Found(
        format="pickle",
        name=hub.name if hub else folder.name,
        label=None,
        place=folder.relative_to(root).as_posix(),
        path=folder,
        size_bytes=sum(file.size_bytes for file in pickled),
        modified_at=modified_at([files[CONFIG], *pickled]),
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


def pipeline_model(root: Path, folder: Path, parts: Mapping[str, Files], readings: Readings) -> Found:
    """The pipeline in a folder; `parts` are the files of it and of those below, by their paths in it."""
    files = {f"{part}/{name}": file for part, names in parts.items() for name, file in names.items()}
    said = readings.of(tuple(files.values()), lambda: read_pipeline(folder, parts))
    whole = said if isinstance(said, PipelineFolder) else None
    weights, hub = [files[name] for name in whole.weights] if whole else [], HubPlace.of(folder)
    return Found(
        format="diffusers",
        name=hub.name if hub else folder.name,
        label=None,
        place=folder.relative_to(root).as_posix(),
        path=folder,
        size_bytes=sum(file.size_bytes for file in weights),
        modified_at=modified_at([parts[""][PIPELINE], *weights]),
        files=_belonging(files),
        quantization=whole.dtype if whole else None,
        architecture=whole.pipeline if whole else None,
        defaults=whole.pictures.defaults if whole else {},
        bounds=whole.pictures.bounds if whole else {},
        source=hub.source if hub else None,
        license=whole.card.license if whole else None,
        gated=whole.card.gated if whole else None,
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
