"""Ports for servers that are told theirs before they start."""

import random
import socket
from contextlib import suppress

_OWN = range(10_000, 22_000)
"""Below those that the kernel gives to whoever connects: what it gave is soon somebody else's."""

GRPC_ABOVE = 10_000
"""Where some servers want another one."""

_given: set[int] = set()


def free_port(*, above: bool = False) -> int:
    """A port that nobody has now, and that is given once in this process; with `above` also the one so much higher."""
    while True:
        port = random.SystemRandom().choice(_OWN)
        if port not in _given and _is_free(port) and (not above or _is_free(port + GRPC_ABOVE)):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
