"""Traces as a collector gets them: over OTLP/HTTP, on a socket, parsed from protobuf."""

import http.server
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pluggably.adapters.memory.models import ListedModels
from pluggably.adapters.telemetry import otlp
from pluggably.application.routes import RouteModels
from pluggably.domain.routing import RetryPolicy, Route
from pluggably.entrypoints.composition.tracing import tracer, wanted
from pluggably.entrypoints.settings import SettingsError
from tests.builders import a_model
from tests.integration.providers.openai_server import completion, openai_server

from .world import World, client_of

ROUTES = {"smart": Route(name="smart", tiers=(("studio/broken",), ("studio/well",)))}
ABOVE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ONCE = RetryPolicy(attempts=2, first_pause_s=0, longest_pause_s=0)


class Collector(http.server.BaseHTTPRequestHandler):
    """Answers as a collector does, and keeps what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, self.headers, body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.got = []
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def spans_of(server) -> list[Span]:
    requests = [ExportTraceServiceRequest.FromString(body) for _, _, body in server.got]
    return [it for sent in requests for part in sent.resource_spans for scope in part.scope_spans for it in scope.spans]


def facts(span: Span) -> dict[str, object]:
    values = {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in span.attributes}
    return {key: [it.string_value for it in v.values] if hasattr(v, "values") else v for key, v in values.items()}


async def answer(call) -> None:
    if call.body["model"] == "broken":
        await call.answer(b'{"error": {"message": "down"}}', status=503)
    else:
        await call.answer(json.dumps(completion("The secret answer.")).encode())


def world_before(provider, tracer) -> World:
    models = [a_model(f"studio/{it}", provider="studio", origin="provider", upstream=it) for it in ("broken", "well")]
    listed = [*models, a_model("tiny")]

    class Listed(ListedModels):
        async def models(self):
            return [*await RouteModels(ROUTES, [ListedModels(listed)]).models(), *await super().models()]

    return World(models=Listed(listed), studio=provider, routes=ROUTES, retries=ONCE, tracer=tracer)


@pytest.fixture
def environment(monkeypatch):
    def named(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"OTEL_{name}", value)

    return named


async def test_a_trace_has_the_request_the_generation_and_every_attempt(environment):
    with collecting() as collector:
        environment(EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}", SERVICE_NAME="front")
        environment(EXPORTER_OTLP_HEADERS="x-tenant=one")
        sending = tracer()
        async with openai_server(answer) as upstream:
            provider = upstream.provider(name="studio")
            async with client_of(world_before(provider, sending).app()) as client:
                session = (await client.post("/v1/sessions", json={})).json()["id"]
                body = {"model": "smart", "input": "The secret question.", "session_id": session}
                body["parameters"] = {"temperature": 0.5, "max_tokens": 9}
                told = await client.post("/v1/generations/text", json=body, headers={"traceparent": ABOVE})
            await provider.close()
        await sending.close()
        path, headers, _ = collector.got[0]
        assert (path, headers["content-type"], headers["x-tenant"]) == ("/v1/traces", "application/x-protobuf", "one")
        assert b"front" in collector.got[0][2]
        assert not [body for _, _, body in collector.got if b"secret" in body]
        trace = [it for it in spans_of(collector) if it.trace_id.hex() == ABOVE.split("-")[1]]
    by_name = {it.name: it for it in trace}
    request, generation = by_name["POST /v1/generations/text"], by_name["generation text"]
    broken, well = by_name["chat broken"], by_name["chat well"]
    assert len(trace) == 4
    assert request.parent_span_id.hex() == ABOVE.split("-")[2]
    assert told.headers["traceparent"].split("-")[2] == request.span_id.hex()
    assert generation.parent_span_id == request.span_id
    assert {broken.parent_span_id, well.parent_span_id} == {generation.span_id}
    assert [it.head.partition("traceparent: ")[2][36:52] for it in upstream.calls] == [
        broken.span_id.hex(),
        well.span_id.hex(),
    ]
    assert (request.kind, generation.kind, well.kind) == (
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_INTERNAL,
        Span.SPAN_KIND_CLIENT,
    )
    assert facts(request)["http.response.status_code"] == 200
    assert facts(generation)["gen_ai.conversation.id"] == session
    assert (broken.status.code, facts(broken)["error.type"]) == (Status.STATUS_CODE_ERROR, "provider_unavailable")
    assert facts(well) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "studio",
        "gen_ai.request.model": "well",
        "gen_ai.request.stream": False,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.output.type": "text",
        "gen_ai.conversation.id": session,
        "gen_ai.response.model": "gpt-test-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "pluggably.model": "studio/well",
    }
    assert request.start_time_unix_nano <= generation.start_time_unix_nano <= broken.start_time_unix_nano
    assert broken.end_time_unix_nano <= well.start_time_unix_nano
    assert well.end_time_unix_nano <= generation.end_time_unix_nano <= request.end_time_unix_nano


async def test_a_job_goes_on_with_the_trace_of_its_request_and_a_stream_is_in_one_too(environment):
    with collecting() as collector:
        environment(EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
        sending = tracer()
        world, asked = World(tracer=sending), {"model": "tiny", "input": "Hello"}
        async with client_of(world.app(lifespan=world.at_work)) as client:
            for wanted in ({"background": True}, {"stream": True}):
                headers = {"Prefer": "wait=20", "traceparent": ABOVE}
                assert (await client.post("/v1/generations/text", json=asked | wanted, headers=headers)).is_success
            await client.get("/v1/models", headers={"traceparent": ABOVE[:-1] + "0"})  # which is not to be kept
            await client.get("/v1/models")
        await sending.close()
        spans = spans_of(collector)
    mine = [it.name for it in spans if it.trace_id.hex() == ABOVE.split("-")[1]]
    assert sorted(mine) == sorted(["POST /v1/generations/text", "generation text", "chat tiny"] * 2)
    (other,) = [it for it in spans if it.name == "GET /v1/models"]
    assert other.parent_span_id == b"" and len(other.trace_id) == 16


@pytest.mark.parametrize("away", ["refuses", "hangs"])
async def test_requests_do_not_notice_that_the_collector_is_away(environment, away):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if away == "hangs":
            listener.listen()
        environment(EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{listener.getsockname()[1]}", BSP_SCHEDULE_DELAY="1")
        environment(BSP_MAX_QUEUE_SIZE="4", BSP_MAX_EXPORT_BATCH_SIZE="2", EXPORTER_OTLP_TIMEOUT="1")
        sending = otlp.OtlpTracer("tested", close_s=0.05)
        async with client_of(World(tracer=sending).app()) as client:
            for _ in range(20):
                told = await client.post("/v1/generations/text", json={"model": "tiny", "input": "Hello"})
                assert told.status_code == httpx.codes.OK
        await sending.close()


def test_opentelemetry_is_loaded_only_where_a_collector_is_named():
    check = "import sys, pluggably.entrypoints.composition.service, pluggably.entrypoints.http.app as app\n"
    check += "from pluggably.entrypoints.composition.tracing import tracer; tracer()\n"
    check += "sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_what_cannot_be_sent_is_said_at_the_start(environment):
    assert not wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"})
    environment(EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", EXPORTER_OTLP_PROTOCOL="grpc")
    with pytest.raises(SettingsError, match="http/protobuf"):
        tracer()
