"""PostgreSQL, for every family that keeps something there: how to connect to the database that a URL names."""

from typing import Any, Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ...domain.errors import GatewayError

_KEEP_ALIVE: Final = {  # a peer that vanished without a word is noticed within half a minute, not after hours
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def parameters_of(url: str) -> dict[str, Any]:
    """How to connect to the database that a URL names.

    Raises:
        GatewayError: it is no URL.
    """
    try:
        return {**_KEEP_ALIVE, **conninfo_to_dict(url)}
    except ProgrammingError:  # what it says may hold the password
        raise GatewayError(
            detail="The connection URL of the session database is none: it must be like postgresql://user@host/name."
        ) from None
