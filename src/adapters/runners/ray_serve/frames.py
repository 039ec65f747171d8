"""What goes between a gateway and a replica: frames of `wire.py` as bytes, and files beside them."""

from attrs import frozen

from ..wire import LENGTH, Frame, body_length, decode


@frozen
class Made:
    """A file that a request made, by its name in the request's workspace."""

    name: str
    data: bytes


def frame_in(data: bytes) -> Frame:
    """The one frame in `data`."""
    size = body_length(data[: LENGTH.size])
    return decode(data[LENGTH.size : LENGTH.size + size])
