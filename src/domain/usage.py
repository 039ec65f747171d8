"""What was used, added up: by whom, in which hour, and of which model.

It is kept by the hour and not by the request, so that there is no more of it however much is asked. What is made for
every generation is a tuple: an attrs class takes four times as long.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import add
from typing import NamedTuple

from .errors import InvalidRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.toordinal()


class UsageSlot(NamedTuple):
    """Of what is counted together. `hour` is the one since 1970 in which it ended; `key` is the API key that was shown,
    or the owner where none was.
    """

    hour: int
    owner: str
    key: str
    provider: str
    model: str

    @property
    def day(self) -> str:
        """Its day in UTC, such as `2026-11-25`."""
        return (_EPOCH + timedelta(hours=self.hour)).date().isoformat()


class UsageCounts(NamedTuple):
    """How much. Tokens and files are those that backends said they took and made, whatever became of the answer.

    `generations` were answered; `failed_attempts` are tries of the model that came to nothing, and `cancelled` the
    generations that their client, or the end of the service, stopped. Of the input and output tokens `estimated_tokens`
    were counted by nobody. `unfinished_tokens` are pieces of text that clients got of generations that then failed or
    were cancelled, about a token each: no backend says what these took.
    """

    generations: int = 0
    failed_attempts: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    estimated_tokens: int = 0
    unfinished_tokens: int = 0
    files: int = 0

    def plus(self, other: "UsageCounts") -> "UsageCounts":
        """Both together."""
        return UsageCounts(*map(add, self, other))


class UsageGroup(StrEnum):
    """By what usage is told."""

    KEY = "key"
    MODEL = "model"
    PROVIDER = "provider"
    DAY = "day"


def added_up(entries: Iterable[tuple[UsageSlot, UsageCounts]]) -> Mapping[UsageSlot, UsageCounts]:
    """The sum of each slot."""
    sums: dict[UsageSlot, UsageCounts] = {}
    for slot, counts in entries:
        sums[slot] = sums[slot].plus(counts) if slot in sums else counts
    return sums


def hour_of(at: datetime) -> int:
    """The hour in which that is, counted since 1970; `at` is in UTC."""
    return (at.toordinal() - _FIRST_DAY) * 24 + at.hour


def full_hour(pointer: str, at: datetime | None) -> int | None:
    """The hour that begins then.

    Raises:
        InvalidRequest: none does; `pointer` is where that was said.
    """
    if at is None:
        return None
    if at.astimezone(UTC).replace(minute=0, second=0, microsecond=0) != at:
        raise InvalidRequest.at(pointer, "must be a full hour of UTC: usage is kept by the hour")
    return hour_of(at.astimezone(UTC))
