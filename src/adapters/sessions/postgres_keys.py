"""Wrapped keys in the database of the events, for all gateway processes.

A destroyed key is overwritten in its row. PostgreSQL keeps the bytes that were there until VACUUM, and in its log until
that is recycled or, where the log is archived, for as long as the archive is kept.
"""

import hmac
from collections.abc import Collection, Mapping
from pathlib import Path

from ...domain.errors import GatewayError
from .master_key import master_key_in, master_key_of
from .postgres import SessionDatastore

_PUT = "INSERT INTO session_keys SELECT * FROM unnest(%s::text[], %s::bytea[]) ON CONFLICT DO NOTHING"
_GET = "SELECT session_id, wrapped FROM session_keys WHERE session_id = ANY(%s) AND wrapped IS NOT NULL"
_DESTROY = """
INSERT INTO session_keys SELECT unnest(%s::text[]), NULL
ON CONFLICT (session_id) DO UPDATE SET wrapped = NULL WHERE session_keys.wrapped IS NOT NULL"""


class PostgresKeys:
    """Implements `WrappedKeys`."""

    def __init__(self, datastore: SessionDatastore) -> None:
        """The tables are there."""
        self._datastore = datastore

    def put(self, keys: Mapping[str, bytes]) -> None:
        """Keep keys, but for those of sessions that have or had one."""
        self._datastore.run(_PUT, (list(keys), list(keys.values())))

    def get(self, session_ids: Collection[str]) -> dict[str, bytes]:
        """The keys of these sessions; those that there are."""
        return {it["session_id"]: it["wrapped"] for it in self._datastore.run(_GET, (list(session_ids),))}

    def destroy(self, session_ids: Collection[str]) -> None:
        """Overwrite these keys."""
        self._datastore.run(_DESTROY, (list(session_ids),))

    def destroyed(self) -> list[str]:
        """The sessions whose key was overwritten."""
        return [
            it["session_id"] for it in self._datastore.run("SELECT session_id FROM session_keys WHERE wrapped IS NULL")
        ]


def agreed_master_key(datastore: SessionDatastore, folder: Path, value: str | None) -> bytes:
    """The master key, which every process on this database must have: `value`, or `master.key` in `folder`.

    Raises:
        GatewayError: it is missing, or the sessions in the database are another one's.
    """
    new = not datastore.run("SELECT FROM master_key")
    key = master_key_of(value) if value else master_key_in(folder / "master.key", new=new)
    datastore.run("INSERT INTO master_key (proof) VALUES (%s) ON CONFLICT DO NOTHING", (_proof(key),))
    if not hmac.compare_digest(datastore.run("SELECT proof FROM master_key")[0]["proof"], _proof(key)):
        raise GatewayError(
            detail="The sessions in this database have another master key: give every gateway on it the same one, by "
            "copying master.key or by `sessions.master_key_env`."
        )
    return key


def _proof(key: bytes) -> bytes:
    return hmac.digest(key, b"proof of the master key", "sha256")
