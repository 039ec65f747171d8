"""What operators said of models, and when models were used last, in an SQL database.

Every change adds one to the revision in the same transaction: whoever has seen that revision has seen the change.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from ...domain.model import Modality
from ...domain.registration import Registered, Registration
from ..database.sql import Database, Row, Statement, microseconds, time_of

_NEXT: Statement = "UPDATE model_registry SET revision = revision + 1", ()
_REVISION: Statement = "SELECT revision FROM model_registry", ()
_MODELS = "SELECT 0, id, provider, target, modality, said, revision, created_at FROM models"
_READ: Statement = (
    f"{_MODELS} UNION ALL SELECT 1, modality, model_id, '', '', '', 0, NULL FROM model_defaults "  # noqa: S608 - our own
    "UNION ALL SELECT 2, '', '', '', '', '', revision, NULL FROM model_registry ORDER BY 1, 2",
    (),
)
"""All of it in one statement, so that it is what it was at one moment."""

_PUT = """
INSERT INTO models (id, provider, target, modality, said, created_at, revision)
VALUES (?, ?, ?, ?, ?, ?, (SELECT revision FROM model_registry))
ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, target = excluded.target, modality = excluded.modality,
said = excluded.said, created_at = excluded.created_at, revision = excluded.revision"""
_MEAN = (
    "INSERT INTO model_defaults (modality, model_id) VALUES (?, ?) "
    "ON CONFLICT (modality) DO UPDATE SET model_id = excluded.model_id"
)
_NOTE = """
INSERT INTO model_uses (model_id, last_used_at) VALUES (?, ?)
ON CONFLICT (model_id) DO UPDATE SET last_used_at = excluded.last_used_at
WHERE model_uses.last_used_at < excluded.last_used_at"""


class SqlModelRegistry:
    """Implements `ModelRegistry`."""

    def __init__(self, database: Database) -> None:
        """The tables are there."""
        self._database = database

    async def read(self) -> Registered:
        """All of it."""
        models, defaults, revision = [], {}, 0
        for kind, *row in await self._database.run(_READ):
            match kind:
                case 0:
                    models.append(_to_registration(row))
                case 1:
                    defaults[Modality(row[0])] = row[1]
                case _:
                    revision = row[5]
        return Registered(revision=revision, models=tuple(models), defaults=defaults)

    async def revision(self) -> int:
        """The number of changes so far."""
        ((revision,),) = await self._database.run(_REVISION)
        return int(revision)

    @asynccontextmanager
    async def exclusively(self) -> AsyncIterator[None]:
        """Let nobody else be in here."""
        async with self._database.locked("models"):
            yield

    async def put(self, registration: Registration, defaults: Mapping[Modality, str | None] | None = None) -> int:
        """Store what is said of a model."""
        meant = [_mean(modality, model_id) for modality, model_id in (defaults or {}).items()]
        ((revision,),) = await self._database.run(_NEXT, (_PUT, _to_row(registration)), *meant, _REVISION)
        return int(revision)

    async def delete(self, model_id: str) -> bool:
        """Forget what was said of a model."""
        if not await self._database.run(("SELECT id FROM models WHERE id = ?", (model_id,))):
            return False
        deleted = "DELETE FROM models WHERE id = ? RETURNING id", (model_id,)
        return bool(
            await self._database.run(_NEXT, ("DELETE FROM model_defaults WHERE model_id = ?", (model_id,)), deleted)
        )


class SqlModelUses:
    """Implements `ModelUses`."""

    def __init__(self, database: Database) -> None:
        """The tables are there."""
        self._database = database

    async def note(self, uses: Mapping[str, datetime]) -> None:
        """Remember times, in an order that no two gateways can hold each other up in."""
        statements = [(_NOTE, (model_id, microseconds(at))) for model_id, at in sorted(uses.items())]
        if statements:
            await self._database.run(*statements)

    async def all(self) -> Mapping[str, datetime]:
        """The times, by model id."""
        rows = await self._database.run(("SELECT model_id, last_used_at FROM model_uses", ()))
        return {model_id: time_of(at) for model_id, at in rows}

    async def forget(self, model_id: str) -> None:
        """Remember no time of that model."""
        await self._database.run(("DELETE FROM model_uses WHERE model_id = ?", (model_id,)))


def _mean(modality: Modality, model_id: str | None) -> Statement:
    if model_id is None:
        return "DELETE FROM model_defaults WHERE modality = ?", (modality.value,)
    return _MEAN, (modality.value, model_id)


def _to_row(it: Registration) -> Row:
    said: dict[str, Any] = {
        "name": it.name,
        "license": it.license,
        "gated": it.gated,
        "aliases": it.aliases,
        "pinned": it.pinned,
        "presets": dict(it.presets),
        "allows_pickle_of": None if it.allows_pickle_of is None else microseconds(it.allows_pickle_of),
    }
    created_at = None if it.created_at is None else microseconds(it.created_at)
    return it.id, it.provider, it.target, it.modality.value, json.dumps(said), created_at


def _to_registration(row: Row) -> Registration:
    model_id, provider, target, modality, text, revision, created_at = row
    said = json.loads(text)
    allowed = said["allows_pickle_of"]
    return Registration(
        id=model_id,
        provider=provider,
        target=target,
        modality=Modality(modality),
        name=said["name"],
        license=said["license"],
        gated=said["gated"],
        aliases=tuple(said["aliases"]),
        pinned=said["pinned"],
        presets=said["presets"],
        allows_pickle_of=None if allowed is None else time_of(allowed),
        revision=revision,
        created_at=None if created_at is None else time_of(created_at),
    )
