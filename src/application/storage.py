"""How much is stored, and what goes when that is too much. What nobody may lose is decided in `domain/storage.py`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from attrs import define, frozen

from ..domain.access import Principal, Scope
from ..domain.errors import GatewayError, InsufficientStorage
from ..domain.model import LOCAL, Model, ModelStatus
from ..domain.storage import Disk, EvictionPlan, EvictionReason, StoragePolicy, StoredModel, plan_eviction
from .artifact_ports import ArtifactTotals, StoredArtifacts
from .artifacts import Artifacts
from .catalog import Catalog
from .model_ports import Fetching, FolderUsage, ModelFiles, ModelRegistry
from .ports import Clock
from .registrations import Registrations

RESTING = timedelta(minutes=10)
"""A model that was used in this time may be in the memory of another gateway that shares the folder, and stays."""

ARRIVING = timedelta(hours=1)
"""A model that is not whole, and grew in this time, may be on its way here, and stays."""

_IN_USE = frozenset({ModelStatus.LOADING, ModelStatus.LOADED, ModelStatus.DOWNLOADING})


@frozen(kw_only=True)
class StorageUsage:
    """How much is stored and may be. `reclaimable_bytes`: of models, what may be deleted at all to make room."""

    folders: FolderUsage
    policy: StoragePolicy
    models: int
    reserved_bytes: int
    reclaimable_bytes: int
    artifacts: ArtifactTotals
    keep_artifacts: timedelta | None


@frozen(kw_only=True)
class Disposable:
    """Something that goes, and why: the name of the setting by which it does."""

    kind: Literal["model", "artifact"]
    id: str
    size_bytes: int
    reason: str
    last_used_at: datetime | None


@frozen
class Kept:
    """Something that was to go, and what kept it."""

    id: str
    error: GatewayError


@frozen(kw_only=True)
class Cleanup:
    """What goes, or in a dry run would. What could not be deleted is among the `kept`; so much is still `lacking`."""

    dry_run: bool
    plan: tuple[Disposable, ...]
    freed_bytes: int
    lacking_bytes: int
    kept: tuple[Kept, ...] = ()


@define(kw_only=True)
class Storage:
    """Keeps what is stored within the policy. Any number of gateways may, on one database."""

    catalog: Catalog
    registrations: Registrations
    registry: ModelRegistry
    files: ModelFiles
    fetching: Fetching
    artifacts: Artifacts
    stored_artifacts: StoredArtifacts
    policy: StoragePolicy
    clock: Clock

    async def usage(self, principal: Principal) -> StorageUsage:
        """How much is stored.

        Raises:
            InsufficientScope: as it says.
        """
        principal.require(Scope.MODELS_READ)
        models = self._stored(await self.catalog.list())
        return StorageUsage(
            folders=await self.files.usage(),
            policy=self.policy,
            models=len(models),
            reserved_bytes=self.fetching.reserved_bytes(),
            reclaimable_bytes=sum(it.size_bytes for it in models if it.may_go),
            artifacts=await self.stored_artifacts.totals(self.clock()),
            keep_artifacts=self.artifacts.keep_for,
        )

    async def cleanup(self, principal: Principal, *, dry_run: bool) -> Cleanup:
        """Delete what the policy does not allow, and artifacts whose time is over; or only say what that is.

        Raises:
            InsufficientScope: as it says.
        """
        principal.require(Scope.MODELS_ADMIN)
        return await self.run(dry_run=dry_run)

    async def run(self, *, dry_run: bool) -> Cleanup:
        """Clean up on behalf of the service itself."""
        totals = await self.stored_artifacts.totals(self.clock())
        due = [
            Disposable(kind="artifact", id=it.id, size_bytes=it.content.size_bytes, reason="expired", last_used_at=None)
            for it in totals.due
        ]
        if not dry_run:
            await self.artifacts.cleanup()
        done = await self._evict(0, dry_run=dry_run)
        freed = totals.reclaimable_bytes + done.freed_bytes
        return Cleanup(
            dry_run=dry_run,
            plan=(*done.plan, *due),
            freed_bytes=freed,
            lacking_bytes=done.lacking_bytes,
            kept=done.kept,
        )

    async def make_room(self, needed_bytes: int) -> None:
        """Delete what has to go so that so many bytes more can come; nothing, if that would not do.

        Raises:
            InsufficientStorage: it would not.
        """
        for dry_run in (True, False):
            if (await self._evict(needed_bytes, dry_run=dry_run)).lacking_bytes:
                break
        else:
            return
        raise InsufficientStorage(
            detail=f"{needed_bytes} bytes more are not allowed, or not there: see GET /v1/storage. Delete models, "
            "unpin some, or raise the limits in [storage]."
        )

    async def _evict(self, needed_bytes: int, *, dry_run: bool) -> Cleanup:
        async with self.registry.exclusively():
            if not dry_run:
                await self.catalog.store_uses()
                await self.catalog.refresh()
            models = {model.id: model for model in await self.catalog.list()}
            plan = await self._plan(list(models.values()), needed_bytes)
            kept, freed = list[Kept](), plan.freed_bytes
            unused = {it.model.id for it in plan.evictions if it.reason is EvictionReason.UNUSED}
            if not dry_run and plan.evictions:
                kept, freed = await self._delete([models[it.model.id] for it in plan.evictions])
            return Cleanup(
                dry_run=dry_run,
                plan=tuple(
                    Disposable(
                        kind="model",
                        id=it.model.id,
                        size_bytes=it.model.size_bytes,
                        reason=it.reason,
                        last_used_at=models[it.model.id].last_used_at,
                    )
                    for it in plan.evictions
                ),
                freed_bytes=freed,
                lacking_bytes=plan.lacking_bytes
                + sum(models[it.id].size_bytes or 0 for it in kept if it.id not in unused),
                kept=tuple(kept),
            )

    async def _plan(self, models: Sequence[Model], needed_bytes: int) -> EvictionPlan:
        usage = await self.files.usage()
        disk = Disk(
            free_bytes=usage.free_bytes,
            other_bytes=usage.partial_bytes,
            reserved_bytes=self.fetching.reserved_bytes(),
        )
        stored = self._stored(models)
        return plan_eviction(self.policy, stored, disk, at=self.clock(), needed_bytes=needed_bytes)

    async def _delete(self, models: Sequence[Model]) -> tuple[list[Kept], int]:
        kept, freed = list[Kept](), 0
        for model in models:
            try:
                freed += await self.registrations.remove_files(model)
            except GatewayError as error:
                kept.append(Kept(model.id, error))
        await self.catalog.refresh()
        return kept, freed

    def _stored(self, models: Sequence[Model]) -> list[StoredModel]:
        at = self.clock()
        return [
            StoredModel(
                id=model.id,
                size_bytes=model.size_bytes or 0,
                last_used_at=max(filter(None, (model.last_used_at, model.arrived_at)), default=at),
                pinned=model.pinned,
                busy=_is_busy(model, at),
            )
            for model in models
            if model.provider == LOCAL and model.status is not ModelStatus.MISSING and self.files.holds(model)
        ]


def _is_busy(model: Model, at: datetime) -> bool:
    if model.status in _IN_USE or (model.last_used_at and at - model.last_used_at < RESTING):
        return True
    return model.status is ModelStatus.INCOMPLETE and bool(model.arrived_at and at - model.arrived_at < ARRIVING)
