"""Who is told of spans, for the composition root: a collector where OpenTelemetry's variables name one, else nobody."""

import os
from collections.abc import Mapping

from ...application.tracing import Tracer, Untraced
from ..settings import SettingsError

SERVICE = "pluggably"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"


def tracer() -> Tracer:
    """Who is told.

    Raises:
        SettingsError: a collector is named that cannot be sent to.
    """
    if not wanted(os.environ):
        return Untraced()
    for name in PROTOCOLS:
        if (protocol := os.environ.get(name) or HTTP) != HTTP:
            raise SettingsError(detail=f"Traces are sent over {HTTP}, and {name} is {protocol!r}.")
    try:
        from ...adapters.telemetry.otlp import OtlpTracer
    except ImportError as error:
        raise SettingsError(
            detail=f"To send traces, as {' or '.join(ENDPOINTS)} asks for, takes: pip install 'pluggably[otel]'."
        ) from error
    return OtlpTracer(SERVICE)


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether a collector is named, and traces are not switched off."""
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(environ.get(name) for name in ENDPOINTS)
