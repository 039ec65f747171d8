"""The trace that work belongs to, and who is told of its spans: W3C Trace Context, https://www.w3.org/TR/trace-context/.

A span is told once it is over, with facts and never with what was said.
"""

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter, time
from types import TracebackType
from typing import Protocol

from attrs import define, evolve, field, frozen

from ..domain.errors import GatewayError
from ..domain.generation import Completed
from ..domain.model import Modality, Model
from ..domain.parameters import Parameters
from ..domain.session import CANCELLED

SAMPLED = 1


@frozen
class SpanContext:
    """The place of a span in its trace. `flags` are two hex digits; the last bit says that the trace is kept."""

    trace_id: str
    span_id: str
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        """As services are told that are asked for it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @property
    def is_sampled(self) -> bool:
        """Whether the trace is kept."""
        return bool(int(self.flags, 16) & SAMPLED)

    def child(self) -> "SpanContext":
        """A new span below it."""
        return evolve(self, span_id=secrets.token_hex(8))


TRACE: ContextVar[SpanContext | None] = ContextVar("trace", default=None)
"""The span that is at work now."""


@frozen(kw_only=True)
class Span:
    """Work that is over; `began_at` is in seconds since 1970. `failure` is the code of what it failed of, if it did."""

    context: SpanContext
    parent: SpanContext | None
    began_at: float
    took_s: float
    failure: str | None = None


@frozen(kw_only=True)
class RequestSpan(Span):
    """A request over HTTP."""

    method: str
    route: str
    status: int
    request_id: str


@frozen(kw_only=True)
class GenerationSpan(Span):
    """A generation: all attempts at one answer. `model` is the one that was asked for."""

    id: str
    modality: Modality
    model: str
    session_id: str | None


@frozen(kw_only=True)
class AttemptSpan(Span):
    """One model, asked once; `completed` is its answer."""

    modality: Modality
    model: Model
    parameters: Parameters
    stream: bool
    session_id: str | None
    completed: Completed | None


class Tracer(Protocol):
    """Somebody who is told of spans. Nothing is awaited, and nothing may fail."""

    def begin(self, parent: SpanContext | None) -> SpanContext | None:
        """The span of what begins now; None where there is no trace, and nobody wants one."""
        ...

    def ended(self, span: "Told") -> None:
        """It is over."""

    async def close(self) -> None:
        """Tell what is not told yet, if that does not take long."""


class Untraced:
    """A `Tracer` that goes on with the traces of others, and tells nobody."""

    def begin(self, parent: SpanContext | None) -> SpanContext | None:
        """A span below the other's."""
        return parent.child() if parent else None

    def ended(self, span: "Told") -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


Told = RequestSpan | GenerationSpan | AttemptSpan


@define
class Traced:
    """Work with a span of its own, which begins now; until its end, services that are asked belong to that.

    `told` makes the span from the facts that all spans have.
    """

    tracer: Tracer
    parent: SpanContext | None
    told: Callable[..., Told]
    context: SpanContext | None = field(init=False)
    _began_at: float = field(init=False)
    _begun: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.context = self.tracer.begin(self.parent)
        if self.context:
            TRACE.set(self.context)
            self._began_at, self._begun = time(), perf_counter()

    def end(self, failure: str | None = None) -> None:
        """It is over."""
        if self.context:
            TRACE.set(self.parent)
            took_s = perf_counter() - self._begun
            facts = {"context": self.context, "parent": self.parent, "began_at": self._began_at, "took_s": took_s}
            self.tracer.ended(self.told(**facts, failure=failure))

    def __enter__(self) -> "Traced":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, GatewayError):
            self.end(error.code)
        else:
            self.end(None if kind is None else "internal_error" if issubclass(kind, Exception) else CANCELLED)
