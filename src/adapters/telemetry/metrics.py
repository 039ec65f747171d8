"""Metrics for Prometheus, in its text format 0.0.4, through prometheus_client.

Names and units as https://prometheus.io/docs/practices/naming has them. Labels are bounded: routes are those that there
are, statuses are numbers; of models the first `MOST_MODELS` have names, all others are `other`, as a pattern in the
configuration lets clients ask for any name.

With several worker processes (`PROMETHEUS_MULTIPROC_DIR` in the environment) each counts in files of its own, and
whichever is asked answers for all.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from attrs import frozen
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from ...application.telemetry import Observed
from ...domain.download import ENDED, DownloadStatus

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


M = TypeVar("M", bound=MetricWrapperBase)


class _Labelled(dict[tuple[str, ...], M]):
    """A metric by the values of its labels: to look one up with `labels` takes eight times as long."""

    def __init__(self, metric: M) -> None:
        self._metric = metric

    def __missing__(self, values: tuple[str, ...]) -> M:
        self[values] = child = self._metric.labels(*values)
        return child


Gauges = Callable[[], Iterable[Reading]]
"""What is looked up when metrics are asked for; must not wait for anything."""


class PrometheusMetrics:
    """Implements `Observer` and `DownloadObserver`, and counts requests."""

    def __init__(self, gauges: Gauges = tuple) -> None:
        self._registry = CollectorRegistry()
        self._models: dict[str, str] = {}
        made = self._registry
        self._requests = _Labelled(
            Counter(
                "pluggably_http_requests", "Requests that were answered.", ("method", "route", "status"), registry=made
            )
        )
        self._request_s = _Labelled(
            Histogram(
                "pluggably_http_request_seconds", "How long requests took.", ("route",), buckets=_FAST, registry=made
            )
        )
        self._in_progress = Gauge(
            "pluggably_http_requests_in_progress", "Requests at work.", registry=made, multiprocess_mode="livesum"
        )
        model = ("modality", "provider", "model")
        self._generations = _Labelled(
            Counter("pluggably_generations", "Generations by what became of them.", (*model, "outcome"), registry=made)
        )
        self._generation_s = _Labelled(
            Histogram("pluggably_generation_seconds", "How long generations took.", model, buckets=_FAST, registry=made)
        )
        self._first_output_s = _Labelled(
            Histogram(
                "pluggably_first_output_seconds",
                "How long their first output took.",
                model,
                buckets=_FAST,
                registry=made,
            )
        )
        self._tokens = _Labelled(Counter("pluggably_tokens", "Tokens.", ("provider", "model", "kind"), registry=made))
        self._attempts = _Labelled(
            Counter(
                "pluggably_attempts",
                "Tries of models, by what became of them.",
                ("provider", "model", "status"),
                registry=made,
            )
        )
        self._append_s = Histogram(
            "pluggably_event_store_append_seconds", "How long storing events took.", buckets=_QUICK, registry=made
        )
        self._lag_s = Histogram(
            "pluggably_event_loop_lag_seconds", "How late the event loop was.", buckets=_QUICK, registry=made
        )
        self._errors = _Labelled(
            Counter("pluggably_http_errors", "Errors that clients were told of.", ("code",), registry=made)
        )
        self._downloaded = Counter("pluggably_downloaded_bytes", "Bytes of models that came.", registry=made)
        self._downloads = _Labelled(
            Counter("pluggably_downloads_ended", "Downloads, by what became of them.", ("status",), registry=made)
        )
        for status in ENDED:  # so that the first one is seen as an increase
            self._downloads[status.value,].inc(0)
        self._gauges = gauges
        self._here: dict[str, Gauge] = {}
        self._busy: set[tuple[str, str]] = set()

    def begun(self) -> None:
        """A request is at work."""
        self._in_progress.inc()

    def answered(self, method: str, route: str, status: int, took_s: float, failure: str | None) -> None:
        """A request is over."""
        self._in_progress.dec()
        if failure:
            self._errors[failure,].inc()
        self._requests[method, route, str(status)].inc()
        self._request_s[route,].observe(took_s)

    def generated(self, it: Observed) -> None:
        """A generation is over."""
        name = self._name(it.model)
        labels = (it.modality.value, it.provider, name)
        self._generations[*labels, it.outcome].inc()
        self._generation_s[labels].observe(it.timing.total_ms / 1000)
        if it.timing.first_output_ms is not None:
            self._first_output_s[labels].observe(it.timing.first_output_ms / 1000)
        for tried in it.attempts:
            self._attempts[tried.provider, self._name(tried.model), tried.status].inc()
        for spent in it.spent:
            tokens = spent.provider, self._name(spent.model)
            self._tokens[*tokens, "input"].inc(spent.usage.input_tokens)
            self._tokens[*tokens, "cached_input"].inc(spent.usage.cached_input_tokens)
            self._tokens[*tokens, "output"].inc(spent.usage.output_tokens)

    def stored(self, took_s: float) -> None:
        """Events of a session were stored."""
        self._append_s.observe(took_s)

    def downloaded(self, size_bytes: int) -> None:
        """So many bytes more have come."""
        self._downloaded.inc(size_bytes)

    def download_ended(self, status: DownloadStatus) -> None:
        """A download has ended."""
        self._downloads[status.value,].inc()

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
        self._lag_s.observe(late_s)

    def expose(self) -> tuple[str, bytes]:
        """All metrics, as they are now."""
        asked = CollectorRegistry()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(asked)  # type: ignore[no-untyped-call]
        else:
            ProcessCollector(registry=asked)
        asked.register(_Readings(self._gauges))
        counted = b"" if "PROMETHEUS_MULTIPROC_DIR" in os.environ else generate_latest(self._registry)
        return CONTENT_TYPE, counted + generate_latest(asked)

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
