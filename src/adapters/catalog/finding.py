"""Turns the files of a model folder into models found, each with what its format says and what is wrong with it.

A model is one GGUF file, or its shards together, or a folder of safetensors, or a diffusion pipeline: a folder with
`model_index.json`, and its components in folders below it. What is loaded beside a model (projectors, LoRA adapters,
draft heads) and what is only half written is left out; the components of a pipeline are no models of their own.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import define, field

from .diffusers import INDEX as PIPELINE
from .folder_models import pickled_model, pickles_among, pipeline_model, safetensors_model
from .found import Files, Found
from .gguf_models import gguf_groups, gguf_model
from .readings import Readings
from .safetensors import CONFIG, INDEX, SUFFIX


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
            yield pipeline_model(root, place.folder, {"": place.files, **place.below}, readings)
            continue
        for shards in gguf_groups(files):
            if found := gguf_model(root, shards, files, readings):
                yield found
        if CONFIG in files and (INDEX in files or any(name.endswith(SUFFIX) for name in files)):
            yield safetensors_model(root, folder, files, readings)
        elif CONFIG in files and (pickled := pickles_among(files, readings)):
            yield pickled_model(root, folder, files, pickled)


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
