"""What an engine is: the code that runs one loaded model inside a child process.

An engine's module is imported in the child only, so it may import torch. It is synchronous: the child calls `generate`
on a thread of its own for each request, at most `EngineOptions.parallel` at a time.
"""

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from ...domain.generation import GenerationEvent, GenerationRequest

Emit = Callable[[GenerationEvent], None]
"""Hands an event to the client; may be called from any thread, keeps the order of one request's calls."""

Stopped = Callable[[], bool]
"""Whether the client is gone: asked at least once a token or step; then `generate` returns as soon as it can."""


@frozen(kw_only=True)
class EngineOptions:
    """How to load a model. `None` leaves it to the engine: the model's own context, all cores."""

    path: str
    context_length: int | None = None
    parallel: int = 8
    threads: int | None = None


class Engine(Protocol):
    """One loaded model. Its constructor loads it: `Engine(options)`, blocking, raising on failure."""

    context_length: int
    """The longest prompt plus output of one request, in tokens."""

    def generate(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> None:
        """Emit deltas as they come and one `Completed`, last; return without it only when `stopped()`.

        Raises:
            ContextLengthExceeded: the prompt does not fit.
            InvalidRequest: a parameter that this engine does not honour.
            GatewayError: anything else that went wrong.
        """
        ...

    def close(self) -> None:
        """Stop all work and free the model."""
        ...
