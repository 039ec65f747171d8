"""Structured logs through structlog: JSON lines for machines, aligned colours for people, on stderr.

Written once at start. Event names are dotted and in the past tense (`model.loaded`, `request.completed`); everything
else is a key of its own, so that nothing has to be parsed back out of a sentence.

Tracebacks are without local variables, which structlog shows by default: keys and prompts are among them.
"""

import logging
import sys
from typing import Literal, TextIO

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]


def configure_logging(level: Level, form: Format, stream: TextIO | None = None) -> None:
    """Send the logs of our own code, and what the standard library's loggers say, to `stream` (stderr)."""
    output = stream or sys.stderr
    threshold = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=output.isatty(),
            pad_event_to=24,
            exception_formatter=structlog.dev.RichTracebackFormatter(show_locals=False),
        )
    )
    as_data = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    errors: list[structlog.typing.Processor] = [as_data] if form == "json" else []
    structlog.configure(
        processors=[*shared, *errors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *errors, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
