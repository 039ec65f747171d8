"""Where the service listens, and whether strangers may reach it."""

import ipaddress

from attrs import evolve

from ...domain.errors import Violation
from .error import SettingsError
from .tables import Settings

_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what listens there is asked here
"""Where what listens on all addresses can be reached."""


def with_address(settings: Settings, host: str | None, port: int | None, workers: int | None = None) -> Settings:
    """The settings with another address to listen on, or other workers, where they are given."""
    server = settings.server
    return evolve(
        settings,
        server=evolve(
            server,
            host=host or server.host,
            port=server.port if port is None else port,
            workers=workers or server.workers,
        ),
    )


def own_url(settings: Settings) -> str:
    """How a client on this machine reaches the service of these settings."""
    host = _THIS_MACHINE.get(settings.server.host, settings.server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def require_loopback(settings: Settings) -> None:
    """Refuse to serve strangers without credentials.

    Raises:
        SettingsError: the address can be reached from other machines.
    """
    host = settings.server.host
    if not settings.access.methods and not is_loopback(host):
        raise SettingsError(
            detail=f"Not listening on {host}: no credentials are configured, so everyone who can reach that address "
            "could use every model, key and session. Set access.methods, or listen on 127.0.0.1.",
            violations=(
                Violation(pointer="/server/host", message="must be a loopback address", allowed=("127.0.0.1",)),
            ),
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine has that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
