"""The tables `[models]`, `[storage]` and `[runners]` of the settings."""

from collections.abc import Mapping
from typing import Annotated, Literal

from attrs import field, frozen

from ...domain.model import Modality
from ...domain.parameters import Field


@frozen(kw_only=True)
class ModelSettings:
    """Which models there are, and which are meant by default."""

    folders: Annotated[
        tuple[str, ...] | None,
        Field("Folders that are scanned for models; new ones go into the first.", examples=(["data/models"],)),
    ] = None
    shipped: Annotated[
        bool, Field("Offer the tiny models that come with this package, to try images and 3D without a network.")
    ] = True
    scan_every_s: Annotated[
        float,
        Field(
            "How often the folders are looked through for models that came, changed or went; 0: only at the start, on "
            "demand, and when a model is asked for that is not known.",
            0,
            3_600,
            unit="seconds",
        ),
    ] = 2.0
    preload: Annotated[
        tuple[str, ...],
        Field("Local models that are loaded at the start, in this order.", examples=(["smollm2-135m-instruct"],)),
    ] = ()
    defaults: Annotated[
        Mapping[Modality, str],
        Field("For each modality, the model of requests that name none.", examples=({"text": "a"},)),
    ] = field(factory=dict)
    aliases: Annotated[
        Mapping[str, str],
        Field("More names for models: alias = model id.", examples=({"gpt-4o": "smollm2-135m-instruct"},)),
    ] = field(factory=dict)


@frozen(kw_only=True)
class StorageSettings:
    """How much of the disk models may take. What is over is deleted, least recently used first, unless it is pinned."""

    max_bytes: Annotated[
        int | None,
        Field("Space for all models together; absent: no limit.", 0, unit="bytes", examples=(50 * 10**9,)),
    ] = None
    min_free_bytes: Annotated[
        int,
        Field("Space on the disk that is kept free of models.", 0, unit="bytes", examples=(5 * 10**9,)),
    ] = 0
    unused_days: Annotated[
        int | None,
        Field("Delete models that nobody used for so long; absent: never.", 1, 36_500, unit="days", examples=(90,)),
    ] = None
    cleanup_every_s: Annotated[
        int, Field("How often is looked for models to delete; 0: only on demand.", 0, 604_800, unit="seconds")
    ] = 3_600


@frozen(kw_only=True)
class RunnerSettings:
    """How local models run."""

    host: Annotated[
        Literal["process", "ray"],
        Field(
            "Where: each in a child process of this service, or as replicas on a Ray cluster, see [ray]; then its "
            "memory is what there is, and memory_limit_bytes is not looked at."
        ),
    ] = "process"
    memory_limit_bytes: Annotated[
        int | None,
        Field(
            "Memory for all loaded models together; absent: 80 % of the machine's.",
            2**26,
            unit="bytes",
            examples=(8 * 2**30,),
        ),
    ] = None
    keep_alive_s: Annotated[
        int, Field("Unload a model that nobody used for this long; 0: at once, -1: never.", -1, unit="seconds")
    ] = 300
    cooldown_s: Annotated[
        float,
        Field(
            "How long a model that could not be loaded is not tried again; twice as long after each further failure, "
            "up to five minutes.",
            0,
            300,
            unit="seconds",
        ),
    ] = 10.0
    queue_limit: Annotated[
        int, Field("How many requests may wait for one model, beyond those that run; more are refused.", 0, 100_000)
    ] = 64
    parallel: Annotated[int, Field("How many requests one model works on at once.", 1, 256)] = 8
    threads: Annotated[
        int | None, Field("Threads of each model; absent: one for each core.", 1, 1_024, examples=(4,))
    ] = None
    context_length: Annotated[
        int | None,
        Field(
            "The longest conversation, with its answer; absent: what the model allows.",
            128,
            unit="tokens",
            examples=(8_192,),
        ),
    ] = None
    engines: Annotated[
        Mapping[str, str], Field("More engines, or others: name = `module:Class`, or the name of an entry point.")
    ] = field(factory=dict)
