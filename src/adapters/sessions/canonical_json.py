"""JSON in one way only: the same values are always the same bytes, whatever the order in which they were put in."""

from typing import Any

import msgspec
from eventsourcing.persistence import Transcoder


class CanonicalJson(Transcoder):
    """UTF-8, sorted keys, no white space."""

    def encode(self, obj: Any) -> bytes:
        """Values as bytes; raises TypeError for what is not JSON."""
        return msgspec.json.encode(obj, order="sorted")

    def decode(self, data: bytes) -> Any:
        """Bytes as values; raises ValueError for what is not JSON."""
        return msgspec.json.decode(data)
