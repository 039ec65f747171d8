"""A provider that says how many tasks the event loop of the gateway has, which nobody else can see."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pluggably.domain.generation import (
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Started,
    TextPart,
    Usage,
)
from pluggably.domain.model import Modality, Model


class TaskCount:
    """A `Generator` and the `ModelSource` of its one model, `<name>/tasks`."""

    def __init__(self, *, name: str, **_: Any) -> None:
        self._model = Model(
            id=f"{name}/tasks",
            name="tasks",
            modality=Modality.TEXT,
            provider=name,
            upstream="tasks",
            origin="provider",
            parameters=frozenset(),
        )

    async def models(self) -> Sequence[Model]:
        return [self._model]

    def match(self, model_id: str) -> Model | None:  # noqa: ARG002 - the port's signature
        return None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:  # noqa: ARG002
        yield Started()
        count = str(len(asyncio.all_tasks()))
        yield Completed(
            output=(TextPart(count),), finish_reason=FinishReason.STOP, usage=Usage(input_tokens=1, output_tokens=1)
        )

    async def close(self) -> None:
        pass
