"""Remembers what files said when they were read, so that looking again costs no more than looking at their dates."""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from attrs import define, field, frozen

from ...domain.model import ModelStatus
from .gguf import MalformedGguf
from .safetensors import MalformedSafetensors
from .walk import ModelFile

Seen = tuple[ModelFile, ...]
Reading = TypeVar("Reading")


@frozen
class Problem:
    """Why a model cannot be used; `pickled` if it is for nothing but its weights being pickles."""

    status: ModelStatus
    reason: str
    pickled: bool = False


@define
class Readings:
    """The readings of one scan, `now`; those of the scan before, `before`, are taken over for unchanged files.

    `failed`: something could not be read, which may be otherwise the next time.
    """

    before: Mapping[Seen, object]
    now: dict[Seen, object] = field(factory=dict)
    failed: bool = False

    def of(self, files: Seen, read: Callable[[], Reading]) -> Reading | Problem:
        """What `read` says of these files, or the problem that it met."""
        if files in self.before:
            self.now[files] = self.before[files]
        else:
            try:
                self.now[files] = read()
            except (MalformedGguf, MalformedSafetensors) as exc:
                self.now[files] = Problem(_status(exc), str(exc))
            except OSError as exc:  # not remembered: it can pass without the file's date changing
                self.failed = True
                return Problem(ModelStatus.UNSUPPORTED, f"it cannot be read: {exc.strerror}")
        return cast("Reading | Problem", self.now[files])


def _status(malformed: MalformedGguf | MalformedSafetensors) -> ModelStatus:
    if malformed.truncated:
        return ModelStatus.INCOMPLETE
    return ModelStatus.UNSUPPORTED if malformed.foreign or malformed.pickled else ModelStatus.CORRUPT
