"""Credentials as most services want them (RFC 6750)."""

from collections.abc import Mapping


def bearer(api_key: str | None) -> Mapping[str, str]:
    """The header that has the key; none without one."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}
