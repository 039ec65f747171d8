"""The frames between the gateway and the child process of a model, over a socketpair that only those two hold.

A frame is its length (4 bytes, big-endian) and one attrs object as MessagePack, tagged with its class. Errors cross as
their code and detail and come out as the same class of `domain.errors`. Nothing else travels on that socket.
"""

import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from attrs import frozen
from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from ...domain.errors import GatewayError, InvalidRequest, RunnerCrashed, RunnerOutOfMemory, Violation
from ...domain.generation import GenerationEvent, GenerationRequest, Part
from ...domain.parameters import ImageParameters, Model3DParameters, Parameters, TextParameters, given
from .engine import EngineOptions

LENGTH = struct.Struct(">I")
WINDOW = 64
"""How many events of a request may be under way to a reader that has not taken them yet."""

MAX_FRAME_BYTES = 256 * 2**20
"""Far beyond any conversation; a longer frame can only be nonsense."""


@frozen
class Load:
    """To the child, first and once: load a model with the engine `module:Class`."""

    engine: str
    options: EngineOptions


@frozen
class Begin:
    """To the child: work on a request; `number` names it in all later frames."""

    number: int
    request: GenerationRequest


@frozen
class Grant:
    """To the child: the reader has taken that many events, so as many more may be sent."""

    number: int
    events: int


@frozen
class Cancel:
    """To the child: nobody reads this request's events any more."""

    number: int


@frozen
class Ready:
    """From the child: the model is loaded; `context_length` in tokens."""

    context_length: int


@frozen
class Produced:
    """From the child: an event of a request."""

    number: int
    event: GenerationEvent


@frozen
class Failure:
    """A domain error on its way through the socket."""

    code: str
    detail: str
    retry_after_s: float | None = None
    violations: tuple[Violation, ...] = ()


@frozen
class LoadFailed:
    """From the child, which ends then: the model could not be loaded."""

    failure: Failure


@frozen
class Ended:
    """From the child: a request's work is over, and its place is free."""

    number: int
    failure: Failure | None = None


Frame = Load | Begin | Grant | Cancel | Ready | Produced | LoadFailed | Ended


def encode(frame: Frame) -> bytes:
    """The frame's bytes, its length first."""
    body = msgspec.msgpack.encode(_converter.unstructure(frame, Frame))
    return LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Frame:
    """The frame in the bytes that follow a length."""
    frame: Frame = _converter.structure(msgspec.msgpack.decode(body), Frame)  # type: ignore[arg-type]  # mypy has no union among types
    return frame


def body_length(header: bytes) -> int:
    """How many bytes follow these `LENGTH.size` ones.

    Raises:
        ValueError: more than any frame has.
    """
    (length,) = LENGTH.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    return int(length)


def to_failure(error: BaseException) -> Failure:
    """What the gateway is told of an error in the child; of a foreign one, only that it happened."""
    match error:
        case InvalidRequest():
            return Failure(error.code, error.detail, error.retry_after_s, error.violations)
        case GatewayError():
            return Failure(error.code, error.detail, error.retry_after_s)
        case MemoryError():
            return Failure(RunnerOutOfMemory.code, "")
        case _:
            return Failure(RunnerCrashed.code, "The model's engine failed.")


def to_error(failure: Failure) -> GatewayError:
    """The domain error that the child raised."""
    error = _ERRORS.get(failure.code, RunnerCrashed)  # an engine from outside may raise what only it knows
    if issubclass(error, InvalidRequest):
        return error(detail=failure.detail, retry_after_s=failure.retry_after_s, violations=failure.violations)
    return error(detail=failure.detail, retry_after_s=failure.retry_after_s)


def _tree(error: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield error
    for child in error.__subclasses__():
        yield from _tree(child)


def _new_converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(datetime, lambda value, _: value)  # MessagePack has a type of its own for it
    converter.register_unstructure_hook(Parameters, lambda it: [type(it).__name__, given(it)])
    converter.register_structure_hook(Parameters, lambda value, _: _parameters(*value))
    converter.register_structure_hook_func(lambda kind: kind is Any, lambda value, _: value)
    for union in (Part, GenerationEvent, Frame):
        configure_tagged_union(union, converter)
    return converter


def _parameters(kind: str, given: dict[str, Any]) -> Parameters:
    values: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in given.items()}
    return _PARAMETERS[kind](**values)


_PARAMETERS: dict[str, type[Parameters]] = {
    kind.__name__: kind for kind in (TextParameters, ImageParameters, Model3DParameters)
}
_ERRORS = {error.code: error for error in reversed(tuple(_tree(GatewayError)))}
"""By code; the tree's inner classes share the root's code, which stays the root's."""
_converter = _new_converter()
