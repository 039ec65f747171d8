"""Metrics for Prometheus, in its text format 0.0.4, through prometheus_client.

Names and units as https://prometheus.io/docs/practices/naming has them. Labels are bounded: routes are those that there
are, statuses are numbers; of models the first `MOST_MODELS` have names, all others are `other`, as a pattern in the
configuration lets clients ask for any name.

With several worker processes (`PROMETHEUS_MULTIPROC_DIR` in the environment) each counts in files of its own, and
whichever is asked answers for all.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from attrs import frozen
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from ...application.telemetry import Observed
from ...domain.download import ENDED, DownloadStatus
from .tallies import CountTally, TalliedHistogram, TimeTally

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST_MODELS: Final = 500
OTHER: Final = "other"

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, that nobody looks at
_FAST = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


@frozen(kw_only=True)
class Reading:
    """The value of a gauge when it is asked for; `labels` are its names and values."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


Gauges = Callable[[], Iterable[Reading]]
"""What is looked up when metrics are asked for; must not wait for anything."""


class PrometheusMetrics:
    """Implements `Observer` and `DownloadObserver`, and counts requests."""

    def __init__(self, gauges: Gauges = tuple) -> None:
        self._gauges = gauges
        self._is_one_of_many = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = CollectorRegistry()
        self._models: dict[str, str] = {}
        self._tallies: list[CountTally | TimeTally] = []
        self._at_work = 0
        self._in_progress = Gauge(
            "pluggably_http_requests_in_progress",
            "Requests at work.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        model = ("modality", "provider", "model")
        self._requests = self._counts(
            "pluggably_http_requests", "Requests that were answered.", "method", "route", "status"
        )
        self._request_s = self._times("pluggably_http_request_seconds", "How long requests took.", "route")
        self._generations = self._counts(
            "pluggably_generations", "Generations by what became of them.", *model, "outcome"
        )
        self._generation_s = self._times("pluggably_generation_seconds", "How long generations took.", *model)
        self._first_output_s = self._times(
            "pluggably_first_output_seconds", "How long their first output took.", *model
        )
        self._tokens = self._counts("pluggably_tokens", "Tokens.", "provider", "model", "kind")
        self._attempts = self._counts(
            "pluggably_attempts", "Tries of models, by what became of them.", "provider", "model", "status"
        )
        self._append_s = self._times(
            "pluggably_event_store_append_seconds", "How long storing events took.", bounds=_QUICK
        )
        self._lag_s = self._times("pluggably_event_loop_lag_seconds", "How late the event loop was.", bounds=_QUICK)
        self._errors = self._counts("pluggably_http_errors", "Errors that clients were told of.", "code")
        self._downloaded = self._counts("pluggably_downloaded_bytes", "Bytes of models that came.")
        self._downloads = self._counts("pluggably_downloads_ended", "Downloads, by what became of them.", "status")
        for status in ENDED:  # so that the first one is seen as an increase
            self._downloads.add((status.value,), 0)
        self._here: dict[str, Gauge] = {}
        self._busy: set[tuple[str, str]] = set()

    def begun(self) -> None:
        """A request is at work."""
        self._at_work += 1

    def answered(self, method: str, route: str, status: int, took_s: float, failure: str | None) -> None:
        """A request is over."""
        self._at_work -= 1
        if failure:
            self._errors.add((failure,))
        self._requests.add((method, route, str(status)))
        self._request_s.add(took_s, (route,))
        if self._is_one_of_many:
            self.hand_over()

    def generated(self, it: Observed) -> None:
        """A generation is over."""
        name = self._name(it.model)
        labels = (it.modality.value, it.provider, name)
        self._generations.add((*labels, it.outcome))
        self._generation_s.add(it.timing.total_ms / 1000, labels)
        if it.timing.first_output_ms is not None:
            self._first_output_s.add(it.timing.first_output_ms / 1000, labels)
        for tried in it.attempts:
            self._attempts.add((tried.provider, self._name(tried.model), tried.status))
        for spent in it.spent:
            tokens = spent.provider, self._name(spent.model)
            self._tokens.add((*tokens, "input"), spent.usage.input_tokens)
            self._tokens.add((*tokens, "cached_input"), spent.usage.cached_input_tokens)
            self._tokens.add((*tokens, "output"), spent.usage.output_tokens)

    def stored(self, took_s: float) -> None:
        """Events of a session were stored."""
        self._append_s.add(took_s)

    def downloaded(self, size_bytes: int) -> None:
        """So many bytes more have come."""
        self._downloaded.add((), size_bytes)

    def download_ended(self, status: DownloadStatus) -> None:
        """A download has ended."""
        self._downloads.add((status.value,))

    def at_work(self, readings: "Iterable[Reading]") -> None:
        """What this process has at work now, with one label each; what it had before and has not any more is 0.

        Of several processes the sums are told.
        """
        before, self._busy = self._busy, set()
        for it in readings:
            ((label, name),) = it.labels
            if it.name not in self._here:
                self._here[it.name] = Gauge(
                    it.name, it.help, (label,), registry=self._registry, multiprocess_mode="livesum"
                )
            self._here[it.name].labels(self._name(name)).set(it.value)
            self._busy.add((it.name, self._name(name)))
        for gauge, name in before - self._busy:
            self._here[gauge].labels(name).set(0)
            self._busy.add((gauge, name))

    def lagged(self, late_s: float) -> None:
        """The event loop was so late."""
        self._lag_s.add(late_s)

    def hand_over(self) -> None:
        """Hand what was counted to prometheus_client: where another process may be asked, after each request, and now
        and then for what belongs to none.
        """
        for tally in self._tallies:
            tally.hand_over()
        self._in_progress.set(self._at_work)

    def expose(self) -> tuple[str, bytes]:
        """All metrics, as they are now."""
        self.hand_over()
        asked = CollectorRegistry()
        if self._is_one_of_many:
            MultiProcessCollector(asked)  # type: ignore[no-untyped-call]  # has no annotations
        else:
            ProcessCollector(registry=asked)
        asked.register(_Readings(self._gauges))
        counted = b"" if self._is_one_of_many else generate_latest(self._registry)
        return CONTENT_TYPE, counted + generate_latest(asked)

    def _counts(self, name: str, said: str, *labels: str) -> CountTally:
        tally = CountTally(Counter(name, said, labels, registry=self._registry))
        self._tallies.append(tally)
        return tally

    def _times(self, name: str, said: str, *labels: str, bounds: Sequence[float] = _FAST) -> TimeTally:
        tally = TimeTally(TalliedHistogram(name, said, labels, buckets=bounds, registry=self._registry), bounds)
        self._tallies.append(tally)
        return tally

    def _name(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= MOST_MODELS:
                return OTHER
            self._models[model] = model
        return model


class _Readings:
    """A collector of `Reading`s, which are the same whichever process is asked."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Each gauge with all of its values."""
        families: dict[str, GaugeMetricFamily] = {}
        for it in self._gauges():
            names = [name for name, _ in it.labels]
            family = families.setdefault(it.name, GaugeMetricFamily(it.name, it.help, labels=names))
            family.add_metric([value for _, value in it.labels], it.value)
        yield from families.values()
