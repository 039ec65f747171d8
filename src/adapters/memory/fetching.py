"""No downloads: for tests, and where nothing is fetched."""

from collections.abc import Collection

from attrs import field, frozen


@frozen
class NothingFetched:
    """Implements `Fetching`: so many bytes are reserved, and these models on their way."""

    reserved: int = 0
    models: Collection[str] = field(factory=tuple)

    def reserved_bytes(self) -> int:
        """What was told to it."""
        return self.reserved

    def model_ids(self) -> Collection[str]:
        """Those that were told to it."""
        return self.models
