"""Local models without files or processes: for tests, and to develop against."""

from collections.abc import Collection

from attrs import define, field

from ...application.model_ports import FolderUsage
from ...domain.errors import GatewayError, InvalidRequest, ModelBusy
from ...domain.model import LOCAL, Model, ModelStatus


@define
class MemoryModelFiles:
    """Implements `ModelFiles`: a disk of `total_bytes` with these models, by their paths; `partial_bytes` are none's.

    Whoever lists the models leaves out those that are `gone`.
    """

    models: dict[str, Model] = field(factory=dict)
    total_bytes: int = 10**12
    partial_bytes: int = 0
    gone: list[str] = field(init=False, factory=list)

    def locate(self, path: str) -> str:
        """The path, if anything is there."""
        if path not in self.models:
            raise InvalidRequest.at("/path", "there is nothing at that path in a model folder")
        return path

    def holds(self, model: Model) -> bool:
        """Whether its files are here."""
        return model.provider == LOCAL and model.path in self.models

    async def usage(self) -> FolderUsage:
        """How much is stored."""
        stored = sum(model.size_bytes or 0 for model in self.models.values())
        free = self.total_bytes - stored - self.partial_bytes
        return FolderUsage(
            models_bytes=stored, partial_bytes=self.partial_bytes, free_bytes=free, total_bytes=self.total_bytes
        )

    async def remove(self, model: Model) -> int:
        """Delete a model."""
        if (removed := self.models.pop(model.path or "", None)) is None:
            raise GatewayError(detail=f"The files of model {model.id!r} are not in a model folder.")
        self.gone.append(model.id)
        return removed.size_bytes or 0


@define
class MemoryModelLoader:
    """Implements `ModelLoader` and `RunnerStatus`; `busy` ones work on requests, `failure` is raised by every load."""

    busy: set[str] = field(factory=set)
    failure: GatewayError | None = None
    loaded: set[str] = field(init=False, factory=set)
    kept: frozenset[str] = field(init=False, default=frozenset())

    async def load(self, model: Model) -> None:
        """Load a model."""
        if self.failure is not None:
            raise self.failure
        self.loaded.add(model.id)

    async def unload(self, model_id: str) -> None:
        """Unload a model."""
        if model_id in self.busy:
            raise ModelBusy
        self.loaded.discard(model_id)

    def keep(self, model_ids: Collection[str]) -> None:
        """Remember which to keep."""
        self.kept = frozenset(model_ids)

    def status(self, model_id: str) -> ModelStatus:
        """`available` or `loaded`."""
        return ModelStatus.LOADED if model_id in self.loaded | self.busy else ModelStatus.AVAILABLE
