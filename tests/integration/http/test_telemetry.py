"""What operators see of requests: metrics, and a line in the log."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.memory.usage import MemoryUsageJournal, MemoryUsageLedger
from pluggably.adapters.system import now
from pluggably.adapters.telemetry.metrics import PrometheusMetrics
from pluggably.application.usage import UsageReports
from pluggably.domain.errors import ProviderUnavailable
from pluggably.entrypoints.http.services import HttpOptions

from .world import World, client_of

TEXT = {"model": "tiny", "input": "Hello"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def unwritten() -> UsageReports:
    return UsageReports(journal=MemoryUsageJournal(), ledger=MemoryUsageLedger(), clock=now)


async def counted(http) -> dict[tuple, float]:
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [it for family in text_string_to_metric_families(answer.text) for it in family.samples]
    return {(it.name, *sorted(it.labels.values())): it.value for it in samples}


async def test_requests_are_counted_by_their_route_and_not_by_what_clients_make_up():
    async with client_of(World(requests=PrometheusMetrics()).app()) as http:
        await http.get("/v1/sessions/ses_1")
        await http.get("/v1/sessions/ses_2")
        await http.get("/made/up")
        seen = await counted(http)
        assert seen["pluggably_http_requests_total", "/v1/sessions/{session_id}", "404", "GET"] == 2
        assert seen["pluggably_http_requests_total", "404", "GET", "none"] == 1
        assert seen["pluggably_http_requests_in_progress",] == 1  # this one
        assert not [name for name in seen if "made" in str(name)]


async def test_metrics_need_no_credentials_and_hold_no_secret():
    async with client_of(World(requests=PrometheusMetrics(), api_keys=True).app()) as http:
        await http.get("/v1/me", headers={"Authorization": "Bearer hunter2"})
        assert "hunter2" not in (await http.get("/metrics")).text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_generation_is_in_the_line_of_its_request(stream):
    from pluggably.entrypoints.composition.telemetry import Telemetry

    metrics = PrometheusMetrics()
    world = World(observer=Telemetry(metrics, unwritten()), requests=metrics)
    with capture_logs() as logs:
        async with client_of(world.app(HttpOptions())) as http:
            await http.post("/v1/generations/text", json=TEXT | {"stream": stream}, headers={"traceparent": TRACE})
            seen = await counted(http)
    line = next(it for it in logs if it.get("route") == "/v1/generations/text")
    assert (line["model"], line["provider"], line["outcome"]) == ("tiny", "local", "ok")
    assert (line["input_tokens"], line["output_tokens"], line["principal"]) == (1, 16, "local")
    assert line["trace_id"] == TRACE.split("-")[1]
    assert "Hello" not in json.dumps(line, default=str)
    assert seen["pluggably_generations_total", "local", "ok", "text", "tiny"] == 1


async def test_what_failed_says_why():
    from pluggably.entrypoints.composition.telemetry import Telemetry

    metrics = PrometheusMetrics()
    world = World(
        ScriptedGenerator(failure=ProviderUnavailable()), observer=Telemetry(metrics, unwritten()), requests=metrics
    )
    async with client_of(world.app()) as http:
        await http.post("/v1/generations/text", json=TEXT)
        assert (await counted(http))[
            "pluggably_generations_total", "local", "provider_unavailable", "text", "tiny"
        ] == 1
        await http.post("/v1/generations/text", json=TEXT | {"stream": True})
        await http.post("/v1/chat/completions", json={"model": "nobody", "messages": []})
        seen = await counted(http)
        assert seen["pluggably_http_errors_total", "provider_unavailable"] == 2
        assert seen["pluggably_http_errors_total", "invalid_request"] == 1


@pytest.mark.parametrize(
    "header", ["", "x", TRACE.replace("4bf92", "XXXXX"), "ff" + TRACE[2:], "00-" + "0" * 32 + TRACE[35:]]
)
async def test_a_trace_that_is_none_is_passed_over(header):
    async with client_of(World().app()) as http:
        answer = await http.post("/v1/generations/text", json=TEXT, headers={"traceparent": header})
        assert answer.status_code == 200 and "traceparent" not in answer.headers


async def test_the_trace_goes_on_in_the_answer():
    async with client_of(World().app()) as http:
        answer = await http.post("/v1/generations/text", json=TEXT, headers={"traceparent": TRACE})
        version, trace_id, span, flags = answer.headers["traceparent"].split("-")
        assert (version, trace_id, flags) == ("00", TRACE.split("-")[1], "01") and span != TRACE.split("-")[2]
