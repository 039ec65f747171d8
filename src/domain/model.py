"""A model: something that can be asked to generate, wherever it runs."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from attrs import field, frozen

from .bounds import Bounds
from .memory import Footprint


class Modality(StrEnum):
    """What a model makes. The values are the API's."""

    TEXT = "text"
    IMAGE = "image"
    MODEL_3D = "3d"


class ModelStatus(StrEnum):
    """Whether a model can answer now, and if not, why."""

    AVAILABLE = "available"  # can be asked; a local one is loaded on the first request
    LOADING = "loading"
    LOADED = "loaded"
    DOWNLOADING = "downloading"
    INCOMPLETE = "incomplete"  # some of its files, or parts of them, are missing
    CORRUPT = "corrupt"  # its files are not what they should be, and will not become it: they have to be fetched again
    UNSUPPORTED = "unsupported"  # whole, but nothing here can run it
    MISSING = "missing"  # registered, but its files are gone


UNUSABLE = frozenset(
    {
        ModelStatus.DOWNLOADING,
        ModelStatus.INCOMPLETE,
        ModelStatus.CORRUPT,
        ModelStatus.UNSUPPORTED,
        ModelStatus.MISSING,
    }
)
"""A model of such a status cannot be asked; its `reason` says why."""

Origin = Literal["registered", "discovered", "provider"]

LOCAL = "local"
"""The provider name of the models that this service runs itself."""


@frozen(kw_only=True)
class Model:
    """One entry of the catalog.

    `id` is unique in the catalog: the bare name for a local model, `provider/name` for any other. `upstream` is what
    the provider calls it. `path` and `engine` are set for local models only; the path is never shown to clients.
    `parameters` are the names (fields of the modality's parameter class) that it honours: every other one is refused.

    `bounds` are what it takes of parameters where that is less than they may be at all.
    `defaults` are the values of parameters that its files recommend, and its engine takes for those that a request does
    not give; `presets` those of the operator, which go before them. `context_bytes` is the memory that a token of its
    context takes, `memory_bytes` about what it takes when it is loaded, for one conversation of ordinary length.
    `created_at` is when its files were made, `arrived_at` when they came here.
    `gated`: whoever fetches it has to agree to its licence first. A `pickled` one has weights that can run code,
    and is opened only if an operator allows that.
    """

    id: str
    name: str
    modality: Modality
    provider: str
    upstream: str
    origin: Origin
    parameters: frozenset[str]
    version: str | None = None
    engine: str | None = None
    path: str | None = None
    architecture: str | None = None
    capabilities: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    size_bytes: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    context_bytes: int | None = None
    memory_bytes: int | None = None
    chat_template_sha256: str | None = None
    license: str | None = None
    gated: bool | None = None
    source: str | None = None
    defaults: Mapping[str, Any] = field(factory=dict)
    presets: Mapping[str, Any] = field(factory=dict)
    bounds: Mapping[str, Bounds] = field(factory=dict)
    pickled: bool = False
    allows_pickle: bool = False
    status: ModelStatus = ModelStatus.AVAILABLE
    reason: str | None = None
    pinned: bool = False
    created_at: datetime | None = None
    arrived_at: datetime | None = None
    last_used_at: datetime | None = None


@frozen(kw_only=True)
class EngineProfile:
    """What an engine can do, known without importing it: the catalog describes local models by it.

    `opens_pickles`: it can load models whose weights are pickles, those that an operator allows. `footprint` is what
    its models take in memory.
    """

    name: str
    modality: Modality
    parameters: frozenset[str]
    capabilities: frozenset[str] = field(default=frozenset())
    opens_pickles: bool = False
    footprint: Footprint = Footprint()  # noqa: RUF009 - frozen


def remembered(model_id: str, provider: str, modality: Modality, version: str | None) -> Model:
    """The model as it is known of a generation that was made before, whether it is still there or not."""
    return Model(
        id=model_id,
        name=model_id,
        modality=modality,
        provider=provider,
        upstream=model_id,
        origin="provider",
        parameters=frozenset(),
        version=version,
    )
