"""Spans for a collector, over OTLP/HTTP with protobuf, through OpenTelemetry's SDK.

Attributes are those of OpenTelemetry's semantic conventions where there are any: HTTP's, and those of generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/, in development), without the ones that hold what was said. Where
to send them, with which headers, how many, and what the service is called is read from the standard variables `OTEL_*`.

The SDK's processor takes finished spans, which are made here from facts: its own tracer takes ten times as long. Spans
wait in a queue with an end, and a thread sends them; while the collector is away they are dropped.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from threading import Thread
from typing import Any, Final

from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ...application.tracing import AttemptSpan, GenerationSpan, RequestSpan, SpanContext, Told
from ...domain.model import LOCAL, Modality
from ...domain.parameters import given

CLOSE_S = 5.0
"""How long a service that stops waits for its last spans to be sent."""

OPERATIONS: Final = {Modality.TEXT: "chat", Modality.IMAGE: "generate_content", Modality.MODEL_3D: "generate_content"}
ASKED: Final = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
}
_CLIENTS_FAULT = range(400, 500)
"""Of which the convention for servers says that their spans have no error."""

_NS = 1_000_000_000
_SCOPE = InstrumentationScope("pluggably")
_Attributes = dict[str, Any]


class OtlpTracer:
    """Implements `Tracer`."""

    def __init__(self, service: str, *, close_s: float = CLOSE_S) -> None:
        """Begin to send; `service` is what it is called where the environment does not say."""
        self._close_s = close_s
        # It warns of every span that it drops, each time a request is answered.
        logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.ERROR)
        provider = TracerProvider(shutdown_on_exit=False)
        self._sampler = provider.sampler
        unnamed = str(provider.resource.attributes.get("service.name", "")).startswith("unknown_service")
        self._resource = provider.resource.merge(Resource({"service.name": service} if unnamed else {}))
        self._processor = BatchSpanProcessor(OTLPSpanExporter())

    def begin(self, parent: SpanContext | None) -> SpanContext | None:
        """The span of what begins now."""
        if parent:
            return parent.child()
        trace_id = secrets.token_hex(16)
        decision = self._sampler.should_sample(None, int(trace_id, 16), "request").decision
        flags = "01" if decision is Decision.RECORD_AND_SAMPLE else "00"
        return SpanContext(trace_id, secrets.token_hex(8), flags)

    def ended(self, span: Told) -> None:
        """It is over."""
        if span.context.is_sampled:
            self._processor.on_end(to_otel(span, self._resource))

    async def close(self) -> None:
        """Send what waits, but not for long."""
        closing = Thread(target=self._processor.shutdown, name="traces-closing", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, self._close_s)


def to_otel(span: Told, resource: Resource) -> ReadableSpan:
    """The span as the SDK has it."""
    name, kind, attributes = _described(span)
    began = int(span.began_at * _NS)
    if span.failure:
        attributes["error.type"] = span.failure
    failed = span.failure and not (isinstance(span, RequestSpan) and span.status in _CLIENTS_FAULT)
    return ReadableSpan(
        name=name,
        kind=kind,
        context=_context(span.context, remote=False),
        parent=_context(span.parent, remote=isinstance(span, RequestSpan)) if span.parent else None,
        resource=resource,
        attributes={key: value for key, value in attributes.items() if value is not None},
        status=otel.Status(otel.StatusCode.ERROR) if failed else otel.Status(),
        start_time=began,
        end_time=began + int(span.took_s * _NS),
        instrumentation_scope=_SCOPE,
    )


def _context(context: SpanContext, *, remote: bool) -> otel.SpanContext:
    return otel.SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), remote, otel.TraceFlags(int(context.flags, 16))
    )


def _described(span: Told) -> tuple[str, otel.SpanKind, _Attributes]:
    match span:
        case RequestSpan():
            return f"{span.method} {span.route}", otel.SpanKind.SERVER, _of_request(span)
        case GenerationSpan():
            return f"generation {span.modality}", otel.SpanKind.INTERNAL, _of_generation(span)
        case AttemptSpan():
            kind = otel.SpanKind.INTERNAL if span.model.provider == LOCAL else otel.SpanKind.CLIENT
            return f"{OPERATIONS[span.modality]} {span.model.upstream}", kind, _of_attempt(span)


def _of_request(span: RequestSpan) -> _Attributes:
    return {
        "http.request.method": span.method,
        "http.route": span.route,
        "http.response.status_code": span.status,
        "pluggably.request_id": span.request_id,
    }


def _of_generation(span: GenerationSpan) -> _Attributes:
    return {
        "pluggably.generation_id": span.id,
        "gen_ai.request.model": span.model,
        "gen_ai.output.type": span.modality.value,
        "gen_ai.conversation.id": span.session_id,
    }


def _of_attempt(span: AttemptSpan) -> _Attributes:
    asked = given(span.parameters)
    return {
        "gen_ai.operation.name": OPERATIONS[span.modality],
        "gen_ai.provider.name": span.model.provider,
        "gen_ai.request.model": span.model.upstream,
        "gen_ai.request.stream": span.stream,
        "gen_ai.output.type": span.modality.value,
        "gen_ai.conversation.id": span.session_id,
        "pluggably.model": span.model.id,
        **{name: asked[parameter] for parameter, name in ASKED.items() if parameter in asked},
        **_of_answer(span),
    }


def _of_answer(span: AttemptSpan) -> Mapping[str, Any]:
    if (answer := span.completed) is None:
        return {}
    return {
        "gen_ai.response.model": answer.resolved_model,
        "gen_ai.response.finish_reasons": (answer.finish_reason.value,),
        "gen_ai.usage.input_tokens": answer.usage.input_tokens,
        "gen_ai.usage.output_tokens": answer.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": answer.usage.cached_input_tokens,
    }
