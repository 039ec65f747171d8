"""What is found of a model on disk, whatever its format."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from ...domain.bounds import Bounds
from .pipelines import PipelineKind
from .readings import Problem
from .walk import ModelFile

Files = Mapping[str, ModelFile]
"""The files of a folder by their names."""


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
    bounds: Mapping[str, Bounds] = field(factory=dict)
    license: str | None = None
    gated: bool | None = None
    source: str | None = None
    pipeline: PipelineKind | None = None
    problem: Problem | None = None

    @property
    def arrived_at(self) -> datetime:
        """When the last of its files came here."""
        return datetime.fromtimestamp(max(file.changed_ns for file in self.files) / 1e9, UTC)


def modified_at(files: Sequence[ModelFile]) -> datetime:
    """When the last of them was written."""
    return datetime.fromtimestamp(max(file.modified_ns for file in files) / 1e9, UTC)
