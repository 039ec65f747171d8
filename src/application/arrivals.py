"""Models that have come: the catalog looks, and says what they are called."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from attrs import define

from ..domain.download import WantedModel
from ..domain.model import Model
from .catalog import Catalog

Register = Callable[[Model, WantedModel], Awaitable[str]]
"""Makes a model that was found what somebody wanted it to be; its id from then on."""


@define
class CatalogArrivals:
    """Implements `Arrivals` by what the catalog finds in its folders, and `register` for what somebody wanted of it."""

    catalog: Catalog
    register: Register | None = None

    async def arrived(self, folder: Path | None, source: str, wanted: WantedModel | None) -> Sequence[str]:
        """The models in the folder, or of the source."""
        await self.catalog.refresh()
        found = [it for it in await self.catalog.list() if _came(it, folder, source)]
        if wanted and self.register and len(found) == 1:
            return [await self.register(found[0], wanted)]
        return sorted(it.id for it in found)


def _came(model: Model, folder: Path | None, source: str) -> bool:
    if folder is None:
        return model.source == source
    return model.path is not None and Path(model.path).is_relative_to(folder)
