"""What operators said of models, kept in memory: for tests, and to develop against."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from attrs import evolve

from ...domain.model import Modality
from ...domain.registration import Registered, Registration


class MemoryModelRegistry:
    """Implements `ModelRegistry`, for one process."""

    def __init__(self) -> None:
        self._registered = Registered()
        self._lock = asyncio.Lock()

    async def read(self) -> Registered:
        """All of it."""
        return self._registered

    async def revision(self) -> int:
        """The number of changes so far."""
        return self._registered.revision

    @asynccontextmanager
    async def exclusively(self) -> AsyncIterator[None]:
        """Let nobody else be in here."""
        async with self._lock:
            yield

    async def put(self, registration: Registration, defaults: Mapping[Modality, str | None] | None = None) -> int:
        """Store what is said of a model."""
        revision = self._registered.revision + 1
        others = [it for it in self._registered.models if it.id != registration.id]
        models = sorted((*others, evolve(registration, revision=revision)), key=lambda it: it.id)
        meant = {**self._registered.defaults, **(defaults or {})}
        self._registered = Registered(
            revision=revision,
            models=tuple(models),
            defaults={modality: model_id for modality, model_id in meant.items() if model_id is not None},
        )
        return revision

    async def delete(self, model_id: str) -> bool:
        """Forget what was said of a model."""
        before = self._registered
        if before.of(model_id) is None:
            return False
        self._registered = Registered(
            revision=before.revision + 1,
            models=tuple(it for it in before.models if it.id != model_id),
            defaults={modality: meant for modality, meant in before.defaults.items() if meant != model_id},
        )
        return True


class MemoryModelUses:
    """Implements `ModelUses`, for one process."""

    def __init__(self) -> None:
        self._uses: dict[str, datetime] = {}

    async def note(self, uses: Mapping[str, datetime]) -> None:
        """Remember times."""
        for model_id, at in uses.items():
            self._uses[model_id] = max(at, self._uses.get(model_id, at))

    async def all(self) -> Mapping[str, datetime]:
        """The times, by model id."""
        return dict(self._uses)

    async def forget(self, model_id: str) -> None:
        """Remember no time of that model."""
        self._uses.pop(model_id, None)
