"""Who asks, and what they may do."""

from attrs import frozen


@frozen(kw_only=True)
class Principal:
    """Somebody on whose behalf a request is made; `id` owns the sessions that it opens."""

    id: str
    method: str


LOCAL_OPERATOR = Principal(id="local", method="loopback")
"""Whoever can reach a service that has no credentials configured, and therefore listens on loopback only."""
