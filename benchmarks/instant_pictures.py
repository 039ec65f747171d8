"""A provider that has every picture at once: what a request then takes is the gateway's.

Each picture is another one, so that each has to be kept; they are PNGs by their header, and noise behind it.
"""

import os
import struct
import zlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from pluggably.domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    OutputFile,
    Started,
    Usage,
)
from pluggably.domain.model import Modality, Model
from pluggably.domain.parameters import IMAGE_PARAMETERS

SIDE = 512
_NUMBER_BYTES = 16


def a_picture(size_bytes: int, side: int = SIDE) -> bytes:
    """The header of a PNG, and noise; nobody decodes it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d" + header + zlib.crc32(header).to_bytes(4, "big")
    return start + os.urandom(size_bytes - len(start))


class InstantPictures:
    """A `Generator` and `ModelSource` with the models that the settings name; each picture has `size_bytes`."""

    def __init__(self, *, name: str, models: Sequence[str], size_bytes: int, **_: Any) -> None:
        self._models = [
            Model(
                id=f"{name}/{model}",
                name=model,
                modality=Modality.IMAGE,
                provider=name,
                upstream=model,
                origin="provider",
                parameters=IMAGE_PARAMETERS,
                capabilities=frozenset({"text-to-image"}),
            )
            for model in models
        ]
        self._picture = a_picture(size_bytes - _NUMBER_BYTES)

    async def models(self) -> Sequence[Model]:
        return self._models

    def match(self, model_id: str) -> Model | None:  # noqa: ARG002
        return None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        yield Started()
        path = Path(request.workspace or "", "0.png")
        path.write_bytes(self._picture + os.urandom(_NUMBER_BYTES))  # noqa: ASYNC240 - a generator has a process for this
        file = OutputFile(path=str(path), media_type="image/png", facts={"width": SIDE, "height": SIDE})
        usage = Usage(source="runner")
        yield Completed(output=(), finish_reason=FinishReason.STOP, usage=usage, seed=0, files=(file,))

    async def forget(self, state: BackendState) -> None:
        pass

    async def close(self) -> None:
        pass
