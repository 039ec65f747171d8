"""`/v1/storage`: how much is stored, and what goes when that is too much."""

from typing import Annotated, Any

from attrs import asdict, frozen
from falcon.asgi import Response

from ....application.storage import Cleanup, Storage, StorageUsage
from ....domain.parameters import Field
from ..body import Nothing, principal_of, read_body, read_query, refuse_idempotency_key
from ..exchange import Request


@frozen(kw_only=True)
class CleanupRun:
    """A cleanup; whether it shall only be shown has to be said, since nothing brings back what is deleted."""

    dry_run: Annotated[bool, Field("Say what would go, and do nothing.")]


@frozen
class StorageResource:
    """The resource."""

    storage: Storage

    async def on_get(self, req: Request, resp: Response) -> None:
        """How much is stored."""
        read_query(req, Nothing)
        resp.media = usage_object(await self.storage.usage(principal_of(req)))

    async def on_post_cleanup(self, req: Request, resp: Response) -> None:
        """Delete what the policy does not allow."""
        refuse_idempotency_key(req, "")
        dry_run = read_body(req, CleanupRun).dry_run
        resp.media = cleanup_object(await self.storage.cleanup(principal_of(req), dry_run=dry_run))


def usage_object(usage: StorageUsage) -> dict[str, Any]:
    """How much is stored; what is partial is used too."""
    folders, policy, artifacts = usage.folders, usage.policy, usage.artifacts
    return {
        "object": "storage",
        "models": {
            "used_bytes": folders.models_bytes + folders.partial_bytes,
            "partial_bytes": folders.partial_bytes,
            "limit_bytes": policy.max_bytes,
            "reserved_bytes": usage.reserved_bytes,
            "reclaimable_bytes": usage.reclaimable_bytes,
            "count": usage.models,
            "retention_days": policy.keep_unused.days if policy.keep_unused else None,
        },
        "artifacts": {
            "used_bytes": artifacts.size_bytes,
            "limit_bytes": None,
            "reserved_bytes": 0,
            "reclaimable_bytes": artifacts.reclaimable_bytes,
            "count": artifacts.count,
            "retention_days": usage.keep_artifacts.days if usage.keep_artifacts else None,
        },
        "disk": {
            "free_bytes": folders.free_bytes,
            "total_bytes": folders.total_bytes,
            "min_free_bytes": policy.min_free_bytes,
        },
    }


def cleanup_object(cleanup: Cleanup) -> dict[str, Any]:
    """What went, or would."""
    return {
        "object": "storage.cleanup",
        "dry_run": cleanup.dry_run,
        "plan": [asdict(it) for it in cleanup.plan],
        "freed_bytes": cleanup.freed_bytes,
        "lacking_bytes": cleanup.lacking_bytes,
        "kept": [{"id": it.id, "code": it.error.code, "detail": str(it.error)} for it in cleanup.kept],
    }
