"""API keys in an SQL database, each as a JSON document beside the digests of its secrets."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from attrs import evolve
from cattrs import Converter

from ...domain.access import Scope
from ...domain.api_key import ApiKey
from ..database.sql import Database, Row, Statement, microseconds, time_of

_SELECT = "SELECT content, last_used_at FROM api_keys "


class SqlKeyStore:
    """Implements `KeyStore`."""

    def __init__(self, database: Database) -> None:
        """The tables are there."""
        self._database = database

    async def add(self, key: ApiKey) -> None:
        """Keep a new key."""
        insert = ("INSERT INTO api_keys (id, content) VALUES (?, ?)", (key.id, _encode(key)))
        await self._database.run(insert, *_digests(key))

    async def replace(self, key: ApiKey, instead_of: ApiKey) -> bool:
        """Keep a key in place of what was read of it."""
        update = "UPDATE api_keys SET content = ? WHERE id = ? AND content = ? RETURNING id"
        rows = await self._database.run(*_digests(key), (update, (_encode(key), key.id, _encode(instead_of))))
        return bool(rows)

    async def get(self, key_id: str) -> ApiKey | None:
        """The key with that id."""
        return self._one(await self._database.run((_SELECT + "WHERE id = ?", (key_id,))))

    async def with_secret(self, digest: str) -> ApiKey | None:
        """The key that has a secret with that digest."""
        where = "WHERE id = (SELECT key_id FROM api_key_digests WHERE digest = ?)"
        return self._one(await self._database.run((_SELECT + where, (digest,))))

    async def list(self) -> Sequence[ApiKey]:
        """All keys."""
        return [_decode(row) for row in await self._database.run((_SELECT + "ORDER BY id", ()))]

    async def used(self, key_id: str, at: datetime) -> None:
        """Note that it was used."""
        await self._database.run(("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (microseconds(at), key_id)))

    def _one(self, rows: Sequence[Row]) -> ApiKey | None:
        return _decode(rows[0]) if rows else None


def _digests(key: ApiKey) -> list[Statement]:
    insert = "INSERT INTO api_key_digests (digest, key_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return [(insert, (secret.digest, key.id)) for secret in key.secrets]


def _encode(key: ApiKey) -> str:
    return msgspec.json.encode(_CONVERTER.unstructure(evolve(key, last_used_at=None)), order="sorted").decode()


def _decode(row: Row) -> ApiKey:
    content, last_used_at = row
    key = _CONVERTER.structure(msgspec.json.decode(content), ApiKey)
    return key if last_used_at is None else evolve(key, last_used_at=time_of(last_used_at))


def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_unstructure_hook_func(
        lambda kind: kind == frozenset[Scope], lambda scopes: sorted(scope.value for scope in scopes)
    )
    return converter


_CONVERTER = _converter()
