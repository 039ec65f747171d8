"""The use cases of models over real files and a real database; only nothing is ever loaded."""

from datetime import timedelta
from pathlib import Path

from pluggably.adapters.catalog.files import LocalModelFiles
from pluggably.adapters.catalog.folder import ModelFolder
from pluggably.adapters.catalog.registry import SqlModelRegistry, SqlModelUses
from pluggably.adapters.memory.fetching import NothingFetched
from pluggably.adapters.memory.local_models import MemoryModelLoader
from pluggably.adapters.runners.engines import text_engine
from pluggably.application.catalog import Catalog
from pluggably.application.registrations import ModelChange, NewModel, Registrations
from pluggably.application.storage import Storage
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.storage import StoragePolicy
from pluggably.entrypoints.composition.models import read_parameters
from tests.artifact_world import ArtifactWorld
from tests.session_builders import NOON

ENGINES = {
    name: text_engine(name, "nowhere:Engine", frozenset({"temperature", "max_tokens", "stop"})).profile
    for name in ("llama_cpp", "transformers_text")
}


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self):
        return self.at

    def forward(self, **by) -> None:
        self.at += timedelta(**by)


class ModelWorld:
    """One gateway over the folder `root` and a database."""

    def __init__(self, root: Path, database, *, policy=None, remotes=(), engines=None, fetching=None, settings=None):
        self.clock, self.loader = Hands(), MemoryModelLoader()
        self.folder = ModelFolder([root], engines or ENGINES)
        self.registry, self.uses = SqlModelRegistry(database), SqlModelUses(database)
        self.files = LocalModelFiles(self.folder)
        self.artifacts = ArtifactWorld(root.parent)
        self.catalog = Catalog(
            sources=[self.folder, *remotes],
            runners=self.loader,
            registry=self.registry,
            uses=self.uses,
            on_pins=self.loader.keep,
            **(settings or {}),
        )
        self.registrations = Registrations(
            catalog=self.catalog,
            registry=self.registry,
            uses=self.uses,
            files=self.files,
            loader=self.loader,
            clock=self.clock,
            read_parameters=read_parameters,
        )
        self.storage = Storage(
            catalog=self.catalog,
            registrations=self.registrations,
            registry=self.registry,
            files=self.files,
            fetching=fetching or NothingFetched(),
            artifacts=self.artifacts.artifacts,
            stored_artifacts=self.artifacts.artifacts.index,
            policy=policy or StoragePolicy(),
            clock=self.clock,
        )

    async def register(self, *, id_=None, path=None, provider=None, model=None, modality=None, **said):
        new = NewModel(id=id_, path=path, provider=provider, model=model, modality=modality, said=_said(said))
        return await self.registrations.register(new, LOCAL_OPERATOR)

    async def change(self, model_id, /, *, revision=None, **said):
        return await self.registrations.change(model_id, _said(said), LOCAL_OPERATOR, revision)

    async def remove(self, name, *, files=False):
        return await self.registrations.remove(name, LOCAL_OPERATOR, files=files)

    async def ids(self):
        return [model.id for model in await self.catalog.list()]


def _said(said) -> ModelChange:
    return ModelChange(given=frozenset(said), **said)
