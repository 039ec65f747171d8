"""No downloads: for tests, and where nothing is fetched."""

from attrs import frozen


@frozen
class NothingFetched:
    """Implements `Fetching`: so many bytes are reserved."""

    reserved: int = 0

    def reserved_bytes(self) -> int:
        """What was told to it."""
        return self.reserved
