"""The table `[ray]` of the settings."""

from typing import Annotated

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class RaySettings:
    """With `runners.host = "ray"`: the cluster that local models run on, and what each takes of it."""

    address: Annotated[
        str,
        Field(
            "The cluster's address, as `ray start` tells it: this machine must be one of its nodes. `auto`: the one "
            "that this machine is a node of.",
            examples=("10.0.0.7:6379",),
        ),
    ] = "auto"
    min_replicas: Annotated[int, Field("How many replicas a loaded model has at least.", 1, 1_000)] = 1
    max_replicas: Annotated[
        int,
        Field("How many it has at most: more are begun when all work on `runners.parallel` requests.", 1, 1_000),
    ] = 1
    cpus: Annotated[
        float, Field("Processors that each replica asks for; its threads, unless `runners.threads` is set.", 0.1, 1_024)
    ] = 2.0
    gpu_memory_bytes: Annotated[
        int | None,
        Field(
            "Memory of one GPU of the cluster: a model that computes on one asks for the share that it is estimated to "
            "take. Absent: there are no GPUs, and it asks for memory of the node.",
            2**28,
            unit="bytes",
            examples=(24 * 2**30,),
        ),
    ] = None
    files_bucket: Annotated[
        str | None,
        Field(
            "Bucket in the S3 store of [artifacts] through which nodes get model files that they do not have at the "
            "gateway's path. Absent: all nodes see the model folders.",
            examples=("models",),
        ),
    ] = None
    files_folder: Annotated[
        str, Field("Folder of each node where such files are kept, and hashes of those that are there anyway.")
    ] = "~/.cache/pluggably/nodes"
