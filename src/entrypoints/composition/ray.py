"""Local models on a Ray cluster, for the composition root; Ray is imported when this host is chosen, and not before."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from ..settings import Settings
from .artifacts import installed, s3_files

if TYPE_CHECKING:
    from ...adapters.runners.engines import EngineSpec
    from ...adapters.runners.ray_serve.host import RayRunners


def ray_runners(settings: Settings, engines: "Mapping[str, EngineSpec]") -> "RayRunners":
    """The cluster's models, as this gateway sees them."""
    with installed("ray", "runners.host = 'ray'", "ray"):
        from ...adapters.runners.ray_serve.host import RayRunners
        from ...adapters.runners.ray_serve.node_files import FileSource

    wanted, cluster = settings.runners, settings.ray
    store = partial(s3_files, settings.artifacts, cluster.files_bucket) if cluster.files_bucket else None
    return RayRunners(
        address=cluster.address,
        source=FileSource(folder=cluster.files_folder, store=store),
        store=store() if store else None,
        engines=engines,
        parallel=wanted.parallel,
        queue_limit=wanted.queue_limit,
        min_replicas=cluster.min_replicas,
        max_replicas=cluster.max_replicas,
        cpus=cluster.cpus,
        gpu_memory_bytes=cluster.gpu_memory_bytes,
        keep_alive_s=wanted.keep_alive_s,
        cooldown_s=wanted.cooldown_s,
        threads=wanted.threads,
        context_length=wanted.context_length,
    )
