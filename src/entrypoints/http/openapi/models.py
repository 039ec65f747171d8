"""Models, their parameters and the room they take, as they are documented."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from attrs import frozen

from ....application.registrations import Discovery
from ....application.storage import Disposable
from ....domain import errors
from ....domain.model import Modality, ModelStatus, Origin
from ....domain.parameters import Field
from ..body import Nothing
from ..resources.models import ModelList, ModelSaid, ModelToRegister, ParameterList, Removal
from ..resources.storage import CleanupRun
from ..schema import Schemas
from . import headers
from .answers import NOT_MODIFIED
from .failures import MODEL_CHANGED, RUNNER, STORED
from .operation import Answer, Area, Body, Operation

_ROUTE = "/v1/models/{path:path}"
_ONE = "/v1/models/{model_id}"


@frozen(kw_only=True)
class ModelShown:
    """A model: OpenAI's fields and ours."""

    id: Annotated[str, Field("What requests call it.", examples=("smollm2-135m-instruct",))]
    object: Literal["model"]
    created: int
    owned_by: str
    name: str
    version: str | None
    modality: Modality
    provider: str
    capabilities: Annotated[tuple[str, ...], Field("What it can do besides.", examples=(["chat", "tools"],))]
    aliases: tuple[str, ...]
    default: Annotated[bool, Field("Whether requests that name no model mean this one.")]
    size_bytes: int | None
    memory_bytes: Annotated[int | None, Field("About what it takes when it is loaded.", unit="bytes")]
    quantization: str | None
    architecture: str | None
    context_length: Annotated[int | None, Field("How much it takes in and gives out, together.", unit="tokens")]
    chat_template_sha256: str | None
    license: str | None
    gated: bool | None
    source: str | None
    origin: Origin
    status: ModelStatus
    reason: Annotated[str | None, Field("Why it cannot be asked, if it cannot.")]
    pinned: bool
    pickled: bool
    allow_pickle: bool
    parameters: Annotated[Mapping[str, Any], Field("The operator's values for what a request does not give.")]
    recommended: Annotated[Mapping[str, Any], Field("Those of its makers.")]
    last_used_at: datetime | None
    path: Annotated[str | None, Field("Where it is; with the scope `models:admin` only.")] = None


@frozen(kw_only=True)
class ModelChoice:
    """What tells a model from the others."""

    id: str
    status: ModelStatus
    capabilities: tuple[str, ...]
    context_length: int | None
    size_bytes: int | None
    memory_bytes: int | None
    quantization: str | None
    lacks: Annotated[tuple[str, ...], Field("The parameters that it refuses.")]
    defaults: Annotated[Mapping[str, Any], Field("What it takes for those that a request does not give.")]


@frozen(kw_only=True)
class ModelSelection:
    """How to choose a model."""

    guidance: Annotated[tuple[str, ...], Field("What to look at, the first thing first.")]
    default: Annotated[str | None, Field("The one that requests without a model mean.")]
    models: tuple[ModelChoice, ...]


@frozen(kw_only=True)
class ModelDeleted:
    """What was removed."""

    id: str
    object: Literal["model"]
    deleted: bool
    freed_bytes: int


@frozen(kw_only=True)
class ModelDiscovery(Discovery):
    """What a look at all sources brought."""

    object: Literal["model.discovery"]


@frozen(kw_only=True)
class StoredModels:
    """The room that models take."""

    used_bytes: int
    partial_bytes: Annotated[int, Field("Of what is used: not whole, or left behind.")]
    limit_bytes: int | None
    reserved_bytes: int
    reclaimable_bytes: int
    count: int
    retention_days: int | None


@frozen(kw_only=True)
class StoredArtifacts:
    """The room that artifacts take."""

    used_bytes: int
    limit_bytes: int | None
    reserved_bytes: int
    reclaimable_bytes: int
    count: int
    retention_days: int | None


@frozen(kw_only=True)
class DiskSpace:
    """The disk that the models are on."""

    free_bytes: int
    total_bytes: int
    min_free_bytes: int


@frozen(kw_only=True)
class StorageShown:
    """How much is stored."""

    object: Literal["storage"]
    models: StoredModels
    artifacts: StoredArtifacts
    disk: DiskSpace


@frozen(kw_only=True)
class KeptShown:
    """Something that was to go, and what kept it."""

    id: str
    code: str
    detail: str


@frozen(kw_only=True)
class CleanupShown:
    """What went, or would."""

    object: Literal["storage.cleanup"]
    dry_run: bool
    plan: tuple[Disposable, ...]
    freed_bytes: int
    lacking_bytes: int
    kept: tuple[KeptShown, ...]


_SHOWN = Answer(description="The model.", json=ModelShown, headers=(headers.ETAG,))
_SCHEMA = Answer(
    description="JSON Schema: type, range, unit, default and examples of each parameter, and how to choose a model.",
    raw={
        "application/json": {
            "type": "object",
            "properties": {
                "$schema": {"type": "string", "format": "uri"},
                "title": {"type": "string"},
                "description": {"type": "string"},
                "type": {"const": "object"},
                "properties": {
                    "description": "Each parameter by its name; `x-unit` is its unit.",
                    "type": "object",
                    "additionalProperties": {"type": "object"},
                },
                "additionalProperties": {"const": False},
                "x-model-selection": Schemas(nulls=True).of(ModelSelection),
            },
            "required": ["$schema", "title", "properties", "x-model-selection"],
        }
    },
)


def _verb(verb: str, summary: str, description: str, more: tuple[type[errors.GatewayError], ...]) -> Operation:
    return Operation(
        method="POST",
        path=f"{_ONE}/{verb}",
        route=_ROUTE,
        id=f"{verb}Model",
        summary=summary,
        description=description,
        body=Body(json=Nothing, required=False),
        answers={200: _SHOWN},
        errors=(errors.NotFound, *more, *STORED),
    )


MODELS: Final = Area(
    "Models",
    "What can be asked and how, and what operators say of it.",
    (
        Operation(
            method="GET",
            path="/v1/models",
            id="listModels",
            summary="List models",
            query=ModelList,
            headers=(headers.IF_NONE_MATCH,),
            answers={
                200: Answer(description="All that match.", page=ModelShown, headers=(headers.ETAG,)),
                304: NOT_MODIFIED,
            },
            errors=STORED,
        ),
        Operation(
            method="POST",
            path="/v1/models",
            id="registerModel",
            summary="Register a model",
            description="One in a model folder, by its `path`, or one of a `provider`, by what that calls it.",
            body=Body(
                json=ModelToRegister,
                required=False,
                examples={
                    "a file": {"path": "Smol.Q4_1.gguf", "id": "mine", "aliases": ["best"], "default": True},
                    "a provider's": {"provider": "openai", "model": "gpt-5", "id": "big"},
                },
            ),
            answers={201: Answer(description="The model.", json=ModelShown, headers=(headers.LOCATION, headers.ETAG))},
            errors=MODEL_CHANGED,
        ),
        Operation(
            method="GET",
            path=_ONE,
            route=_ROUTE,
            id="getModel",
            summary="One model",
            query=Nothing,
            headers=(headers.IF_NONE_MATCH,),
            answers={200: _SHOWN, 304: NOT_MODIFIED},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="PATCH",
            path=_ONE,
            route=_ROUTE,
            id="changeModel",
            summary="Change what is said of a model",
            description="What is not named stays; `null` takes back what was said.",
            headers=(headers.IF_MATCH_MODEL,),
            body=Body(
                json=ModelSaid,
                required=False,
                examples={"kept, and colder": {"pinned": True, "parameters": {"temperature": 0.2}}},
            ),
            answers={200: _SHOWN},
            errors=MODEL_CHANGED,
        ),
        Operation(
            method="DELETE",
            path=_ONE,
            route=_ROUTE,
            id="deleteModel",
            summary="Forget what was said of a model, or delete it with its files",
            query=Removal,
            answers={200: Answer(description="What was freed.", json=ModelDeleted)},
            errors=(errors.NotFound, errors.ModelBusy, *STORED),
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/parameters",
            route=_ROUTE,
            id="getModelParameters",
            summary="The parameters of a model",
            description="Those that it honours, within its own bounds, with its own defaults.",
            query=Nothing,
            answers={200: _SCHEMA},
            errors=(errors.NotFound, *STORED),
        ),
        _verb("load", "Load a model", "Also one that could not be loaded a short time ago.", RUNNER),
        _verb("unload", "Unload a model", "Unless it works on requests.", (errors.ModelBusy,)),
        Operation(
            method="POST",
            path="/v1/models/discover",
            route=_ROUTE,
            id="discoverModels",
            summary="Look for models",
            body=Body(json=Nothing, required=False),
            answers={200: Answer(description="What it brought.", json=ModelDiscovery)},
            errors=STORED,
        ),
        Operation(
            method="GET",
            path="/v1/parameters",
            id="getParameters",
            summary="All parameters of a modality",
            query=ParameterList,
            answers={200: _SCHEMA},
            errors=STORED,
        ),
    ),
)

STORAGE: Final = Area(
    "Storage",
    "How much is stored, and what goes when that is too much.",
    (
        Operation(
            method="GET",
            path="/v1/storage",
            id="getStorage",
            summary="How much is stored",
            query=Nothing,
            answers={200: Answer(description="What is used, and what there is.", json=StorageShown)},
            errors=STORED,
        ),
        Operation(
            method="POST",
            path="/v1/storage/cleanup",
            id="cleanUpStorage",
            summary="Delete what the policy does not allow",
            description="Or, with `dry_run`, see what would go.",
            body=Body(json=CleanupRun, examples={"a look": {"dry_run": True}}),
            answers={200: Answer(description="What went, or would.", json=CleanupShown)},
            errors=STORED,
        ),
    ),
)
