"""Models that have come: the catalog looks, and says what they are called."""

from collections.abc import Sequence
from pathlib import Path

from attrs import define

from ..domain.download import WantedModel
from .catalog import Catalog


@define
class CatalogArrivals:
    """Implements `Arrivals` by what the catalog finds in its folders."""

    catalog: Catalog

    async def arrived(
        self,
        folder: Path | None,
        source: str,
        wanted: WantedModel | None,  # noqa: ARG002 - its id has named the folder
    ) -> Sequence[str]:
        """The models in the folder, or of the source."""
        models = await self.catalog.list()
        if folder is None:
            return sorted(it.id for it in models if it.source == source)
        return sorted(it.id for it in models if it.path and Path(it.path).is_relative_to(folder))
