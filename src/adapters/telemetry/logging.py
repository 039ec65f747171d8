"""Structured logs through structlog: JSON lines for machines, aligned colours for people, on stderr.

Written once at start. Event names are dotted and in the past tense (`model.loaded`, `request.completed`); everything
else is a key of its own, so that nothing has to be parsed back out of a sentence.

Tracebacks are without local variables, which structlog shows by default: keys and prompts are among them.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec
import structlog

from .lines import Lines

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]


def configure_logging(level: Level, form: Format, stream: TextIO | None = None) -> None:
    """Send the logs of our own code, and what the standard library's loggers say, to `stream` (stderr)."""
    output = stream or sys.stderr
    lines, threshold = Lines(output), getattr(logging, level.upper())
    shared, rendered = _json() if form == "json" else _console(colors=output.isatty())
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


Processors = list[structlog.typing.Processor]


def _json() -> tuple[Processors, Processors]:
    encode = msgspec.json.Encoder(enc_hook=repr).encode
    as_data = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))

    def rendered(logger: object, method: str, line: structlog.typing.EventDict) -> str:
        if "exc_info" in line:
            line = as_data(logger, method, line)
        try:
            return encode(line).decode()
        except (UnicodeEncodeError, OverflowError, TypeError):  # half a character, a huge number, odd keys
            return json.dumps(line, default=str, skipkeys=True)

    return [_stamped], [rendered]


_LEVELS = {"warn": "warning", "exception": "error", "fatal": "critical"}


def _stamped(logger: object, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:  # noqa: ARG001 - structlog's
    line["level"] = _LEVELS.get(method, method)
    line["timestamp"] = datetime.now(UTC)
    return line


def _console(*, colors: bool) -> tuple[Processors, Processors]:
    stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors,
        pad_event_to=24,
        exception_formatter=structlog.dev.RichTracebackFormatter(show_locals=False),
    )
    return [structlog.processors.add_log_level, stamped], [renderer]
