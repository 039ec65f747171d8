"""Models that have come: the catalog looks, and says what they are called."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from attrs import define

from ..domain.download import WantedModel
from ..domain.errors import InvalidRequest, NameTaken
from ..domain.model import Model, ModelStatus
from .catalog import Catalog

Register = Callable[[Model, WantedModel], Awaitable[str]]
"""Makes a model that was found what somebody wanted it to be; its id from then on."""


@define
class CatalogArrivals:
    """Implements `Arrivals` by what the catalog finds in its folders, and `register` for what somebody wanted of it."""

    catalog: Catalog
    register: Register | None = None

    async def expect_free(self, wanted: WantedModel, folder: Path | None, source: str | None) -> None:
        """Insist that no other model was given the id; one whose files are gone makes way."""
        for model in await self.catalog.list():
            if model.origin != "registered" or model.status is ModelStatus.MISSING:
                continue
            if wanted.id in (model.id, *model.aliases) and not _came(model, folder, source):
                raise NameTaken(detail=f"{wanted.id!r} is a name of model {model.id!r}: nothing was fetched.")

    async def arrived(self, folder: Path | None, source: str, wanted: WantedModel | None) -> Sequence[str]:
        """The models in the folder, or of the source."""
        await self.catalog.refresh()
        found = [it for it in await self.catalog.list() if _came(it, folder, source)]
        if wanted is None or self.register is None:
            return sorted(it.id for it in found)
        if len(found) != 1:
            raise InvalidRequest.at(
                "/model",
                f"is said of one model, and {len(found)} came, which are here under names of their own: say what each "
                "is by PATCH /v1/models/{id}",
                tuple(sorted(it.id for it in found)),
            )
        return [await self.register(found[0], wanted)]


def _came(model: Model, folder: Path | None, source: str | None) -> bool:
    if folder is None:
        return source is not None and model.source == source
    return model.path is not None and Path(model.path).is_relative_to(folder)
