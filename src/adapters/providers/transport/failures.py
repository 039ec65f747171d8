"""What a failure of an upstream may be told as: our own words, and of the upstream's only short identifiers."""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from ....domain.errors import GatewayError

DAY_S: Final = 86_400.0


def told(kind: type[GatewayError], *, provider: str, status: int, code: str | None = None) -> str:
    """A sentence for an error of a kind, with the status that came and the code that the upstream gave it."""
    summary = (kind.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    facts = [
        f"provider {provider!r}",
        *([f"status {status}"] if httpx.codes.is_error(status) else []),
        *identifiers((code,)),
    ]
    return f"{summary} ({', '.join(facts)})."


def identifiers(words: Sequence[str | None]) -> list[str]:
    """Those of the upstream's words that are an identifier: no prose, no key, no path."""
    return [word for word in words if word and re.fullmatch(r"[a-z][a-z_]{0,47}(\[\d+\])?(\.[a-z_]+)*", word)]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.

    A date counts from the answer's own `Date`, so that a difference between the clocks does not matter.
    """
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return bounded_s(float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None or re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return None if value is None else bounded_s(float(value))
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])
        return bounded_s(wait.total_seconds())
    except (ValueError, TypeError, KeyError):  # it asks for something that nobody can read: as if it did not
        return None


def bounded_s(seconds: float) -> float:
    """A wait that makes sense: none that is negative, none of more than a day."""
    return max(0.0, min(seconds, DAY_S))
