"""What is observed of the service's work; what becomes of that is an adapter's business."""

from contextvars import ContextVar
from typing import Any, Protocol

from attrs import frozen

from ..domain.attempt import Attempt
from ..domain.download import DownloadStatus
from ..domain.generation import Timing, Usage
from ..domain.model import Modality

NOTES: ContextVar[dict[str, Any] | None] = ContextVar("notes", default=None)
"""What is told of the request that is served now, once it is over."""


@frozen
class Spent:
    """What a backend said that an attempt took, and how many files it made."""

    provider: str
    model: str
    usage: Usage
    files: int = 0


@frozen(kw_only=True)
class Observed:
    """A generation that is over; `outcome` is `ok` or the code of what ended it.

    `owner` asked for it, with the credentials that `account` stands for. `spent` is of each attempt that a backend came
    to the end of, the last one's last: there may be one without an answer, which could not be stored. `pieces` are what
    the client got of a generation that came to no end.
    """

    owner: str
    account: str
    modality: Modality
    provider: str
    model: str
    outcome: str
    attempts: tuple[Attempt, ...]
    timing: Timing
    spent: tuple[Spent, ...] = ()
    pieces: int = 0


class Observer(Protocol):
    """Somebody who is told. Nothing is awaited, and nothing may fail."""

    def generated(self, it: Observed) -> None:
        """A generation is over."""

    def stored(self, took_s: float) -> None:
        """Events of a session were stored."""


class DownloadObserver(Protocol):
    """Somebody who is told of downloads, as `Observer`s are."""

    def downloaded(self, size_bytes: int) -> None:
        """So many bytes more have come."""

    def download_ended(self, status: DownloadStatus) -> None:
        """One that was worked on here has ended."""


class RequestObserver(Protocol):
    """Somebody who is told of requests, and asked for what there is to see."""

    def begun(self) -> None:
        """A request is at work."""

    def answered(self, method: str, route: str, status: int, took_s: float, failure: str | None) -> None:
        """It is over; `failure` is the code of the error that its client was told of."""

    def expose(self) -> tuple[str, bytes]:
        """The media type and the text of all metrics, as they are now."""
        ...


class Unobserved:
    """An `Observer` who does nothing with it."""

    def generated(self, it: Observed) -> None:
        """Nothing."""

    def stored(self, took_s: float) -> None:
        """Nothing."""

    def downloaded(self, size_bytes: int) -> None:
        """Nothing."""

    def download_ended(self, status: DownloadStatus) -> None:
        """Nothing."""

    def begun(self) -> None:
        """Nothing."""

    def answered(self, method: str, route: str, status: int, took_s: float, failure: str | None) -> None:
        """Nothing."""

    def expose(self) -> tuple[str, bytes]:
        """Nothing."""
        return "text/plain", b""
