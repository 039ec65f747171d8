"""Bring models here."""

from collections.abc import AsyncIterator, Sequence

from attrs import define

from ..domain.errors import InvalidRequest
from .ports import FetchProgress, ModelFetcher


@define(kw_only=True)
class Downloads:
    """Fetch model files from any source that a fetcher knows."""

    fetchers: Sequence[ModelFetcher]

    def fetch(self, source: str) -> AsyncIterator[FetchProgress]:
        """Fetch `scheme:reference` into the model folder; see `ModelFetcher.fetch`.

        Raises:
            InvalidRequest: no fetcher knows the scheme.
        """
        scheme, _, reference = source.partition(":")
        for fetcher in self.fetchers:
            if fetcher.scheme == scheme:
                return fetcher.fetch(reference)
        known = tuple(f"{fetcher.scheme}:" for fetcher in self.fetchers)
        raise InvalidRequest.at(
            "/source", f"{source!r} is not a source: it must begin with one of {', '.join(known)}", known
        )
