"""Metrics: what is counted, with labels that have an end."""

from prometheus_client.parser import text_string_to_metric_families

from pluggably.adapters.telemetry.metrics import MOST_MODELS, PrometheusMetrics, Reading
from pluggably.application.telemetry import Observed, Spent
from pluggably.domain.attempt import Attempt
from pluggably.domain.download import DownloadStatus
from pluggably.domain.generation import Timing, Usage
from pluggably.domain.model import Modality
from pluggably.entrypoints.composition.telemetry import Gauges


def observed(model: str = "tiny", **facts) -> Observed:
    ordinary = {
        "modality": Modality.TEXT,
        "provider": "local",
        "outcome": "ok",
        "attempts": (Attempt(provider="local", model=model, status="ok", ms=3),),
        "timing": Timing(queue_ms=0, first_output_ms=2, total_ms=30),
        "owner": "local",
        "account": "local",
        "spent": (Spent("local", model, Usage(input_tokens=7, output_tokens=3)),),
    }
    return Observed(model=model, **(ordinary | facts))


def values(metrics: PrometheusMetrics) -> dict[tuple, float]:
    families = text_string_to_metric_families(metrics.expose()[1].decode())
    return {(it.name, *sorted(it.labels.values())): it.value for family in families for it in family.samples}


def test_requests_and_generations_are_counted():
    metrics = PrometheusMetrics()
    metrics.begun()
    metrics.begun()
    metrics.answered("POST", "/v1/generations/text", 404, 0.03, "not_found")
    metrics.generated(observed())
    metrics.generated(observed(outcome="provider_error", spent=()))
    metrics.stored(0.001)
    metrics.lagged(0.0)
    metrics.downloaded(5)
    metrics.download_ended(DownloadStatus.FAILED)
    seen = values(metrics)
    assert seen["pluggably_http_requests_total", "/v1/generations/text", "404", "POST"] == 1
    assert seen["pluggably_http_errors_total", "not_found"] == 1
    assert seen["pluggably_http_requests_in_progress",] == 1
    assert seen["pluggably_generations_total", "local", "ok", "text", "tiny"] == 1
    assert seen["pluggably_generations_total", "local", "provider_error", "text", "tiny"] == 1
    assert seen["pluggably_tokens_total", "input", "local", "tiny"] == 7
    assert seen["pluggably_attempts_total", "local", "ok", "tiny"] == 2
    assert seen["pluggably_event_store_append_seconds_count",] == 1
    assert seen["pluggably_downloaded_bytes_total",] == 5
    assert seen["pluggably_downloads_ended_total", "failed"] == 1
    assert seen["pluggably_downloads_ended_total", "completed"] == 0
    assert seen["process_resident_memory_bytes",] > 0


def test_names_that_clients_make_up_have_an_end():
    metrics = PrometheusMetrics()
    for number in range(MOST_MODELS + 50):
        metrics.generated(observed(f"model {number}"))
    seen = [name for name in values(metrics) if name[0] == "pluggably_generations_total"]
    assert len(seen) == MOST_MODELS + 1
    assert values(metrics)["pluggably_generations_total", "local", "ok", "other", "text"] == 50


def test_gauges_are_looked_up_when_they_are_asked_for():
    loaded = []
    metrics = PrometheusMetrics(lambda: loaded)
    assert ("pluggably_model_resident_bytes", "tiny") not in values(metrics)
    loaded.append(Reading(name="pluggably_model_resident_bytes", help="Memory.", value=5, labels=(("model", "tiny"),)))
    assert values(metrics)["pluggably_model_resident_bytes", "tiny"] == 5


def test_what_is_not_at_work_any_more_is_nothing():
    metrics = PrometheusMetrics()
    tiny, large = (
        Reading(name="pluggably_model_resident_bytes", help="Memory.", value=5, labels=(("model", it),))
        for it in ("tiny", "large")
    )
    metrics.at_work([tiny, large])
    metrics.at_work([large])
    metrics.at_work([large])
    seen = values(metrics)
    assert seen["pluggably_model_resident_bytes", "tiny"] == 0
    assert seen["pluggably_model_resident_bytes", "large"] == 5


async def test_queues_and_downloads_are_looked_up_from_where_they_are_kept():
    from pluggably.adapters.memory.downloads import MemoryDownloadStore
    from pluggably.adapters.memory.jobs import MemoryJobStore

    gauges = Gauges()
    gauges.jobs = await MemoryJobStore().waiting_and_running()
    gauges.downloads = await MemoryDownloadStore().numbers()
    seen = values(PrometheusMetrics(gauges))
    assert {seen["pluggably_jobs", it] for it in ("queued", "running")} == {0}
    assert {seen["pluggably_downloads", it] for it in ("queued", "running", "verifying", "paused")} == {0}
