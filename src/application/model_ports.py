"""The ports of models: what operators said of them, their files, and those that are loaded."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from attrs import frozen

from ..domain.model import Modality, Model
from ..domain.registration import Registered, Registration


class ModelRegistry(Protocol):
    """What operators said of models, the same for all gateways of one database. What was written is durable."""

    async def read(self) -> Registered:
        """All of it, as it was at one moment."""
        ...

    async def revision(self) -> int:
        """The number of changes so far: cheap to ask for, and another one once anything is another."""
        ...

    def exclusively(self) -> AbstractAsyncContextManager[None]:
        """Let nobody else, in any process, be in here: whoever is may read, decide and change.

        Raises:
            StoreUnavailable: it was not free in time.
        """
        ...

    async def put(self, registration: Registration, defaults: Mapping[Modality, str | None] | None = None) -> int:
        """Store what is said of a model in place of what was said before, and with it which models are meant.

        Args:
            registration: its `revision` is not looked at; it becomes the one that is returned.
            defaults: for each modality named, the model that is meant now, or None for no longer any.

        Returns:
            The revision.
        """
        ...

    async def delete(self, model_id: str) -> bool:
        """Forget what was said of a model; where it was meant by default, none is any more.

        Returns:
            Whether there was anything.
        """
        ...


class ModelUses(Protocol):
    """When models were used last, by any gateway."""

    async def note(self, uses: Mapping[str, datetime]) -> None:
        """Remember the times of these models, except where a later one is known."""

    async def all(self) -> Mapping[str, datetime]:
        """The times, by model id."""
        ...

    async def forget(self, model_id: str) -> None:
        """Remember no time of that model."""


@frozen(kw_only=True)
class FolderUsage:
    """What is in the model folders: models, and what is on its way, left behind, or something else (`partial_bytes`).

    The disk is that of the first folder.
    """

    models_bytes: int
    partial_bytes: int
    free_bytes: int
    total_bytes: int


class ModelFiles(Protocol):
    """The files of local models, in the folders that may be changed."""

    def locate(self, path: str) -> str:
        """The path of a model as the catalog has it; `path` may leave out the folder's own.

        Raises:
            InvalidRequest: it is not inside of a model folder.
        """
        ...

    def holds(self, model: Model) -> bool:
        """Whether its files are in these folders."""
        ...

    async def usage(self) -> FolderUsage:
        """How much is stored."""
        ...

    async def remove(self, model: Model) -> int:
        """Delete the files of a model, and nothing else; those that are gone already are no error.

        Returns:
            How many bytes that freed.

        Raises:
            GatewayError: something could not be deleted.
        """
        ...


class ModelLoader(Protocol):
    """Brings local models into memory, and out of it."""

    async def load(self, model: Model) -> None:
        """Return once it is loaded; a load that failed shortly before is tried again.

        Raises:
            Overloaded, RunnerOutOfMemory, RunnerCrashed: as they say.
        """

    async def unload(self, model_id: str) -> None:
        """Return once its memory is free; a model that is not loaded is no error.

        Raises:
            ModelBusy: it works on requests, or loads.
        """

    def keep(self, model_ids: Collection[str]) -> None:
        """From now on keep exactly these in memory, once they are loaded, until they are unloaded by `unload`."""


class Fetching(Protocol):
    """What downloads will take. What they bring is no model before it is whole."""

    def reserved_bytes(self) -> int:
        """The space that those which run will still take."""
        ...
