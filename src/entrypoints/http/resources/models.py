"""`/v1/models` and `/v1/parameters`: what can be asked, and how. OpenAI's clients read the same lists."""

from typing import Annotated, Any

from attrs import frozen
from falcon.asgi import Response

from ....application.catalog import Catalog, ModelFilter
from ....domain.errors import InvalidRequest
from ....domain.model import Modality, Model, ModelStatus
from ....domain.parameters import Field, ImageParameters, Model3DParameters, Parameters, TextParameters
from ..body import Nothing, read_query
from ..paging import list_object
from ..schema import object_schema
from ..scope import Request

PARAMETERS: dict[Modality, type[Parameters]] = {
    Modality.TEXT: TextParameters,
    Modality.IMAGE: ImageParameters,
    Modality.MODEL_3D: Model3DParameters,
}
_SUFFIX = "/parameters"


@frozen(kw_only=True)
class ModelList:
    """Which models to list."""

    modality: Modality | None = None
    provider: str | None = None
    capability: str | None = None
    status: ModelStatus | None = None
    q: Annotated[str | None, Field("Occurs in the id or the name.")] = None


@frozen(kw_only=True)
class ParameterList:
    """Whose parameters are meant."""

    modality: Modality


@frozen
class Models:
    """The resource."""

    catalog: Catalog

    async def on_get(self, req: Request, resp: Response) -> None:
        """List models."""
        wanted = read_query(req, ModelList)
        models = await self.catalog.list(
            ModelFilter(
                modality=wanted.modality,
                provider=wanted.provider,
                capability=wanted.capability,
                status=wanted.status,
                text=wanted.q,
            )
        )
        resp.media = list_object([self._object(model) for model in models])

    async def on_get_one(self, req: Request, resp: Response, path: str) -> None:
        """One model, or its parameters; ids may have slashes, so the path is taken apart here."""
        read_query(req, Nothing)
        if path.endswith(_SUFFIX):
            model = await self.catalog.get(path.removesuffix(_SUFFIX))
            resp.media = parameter_schema(model.modality, model)
        else:
            resp.media = self._object(await self.catalog.get(path))

    async def on_get_parameters(self, req: Request, resp: Response) -> None:
        """All parameters of a modality."""
        resp.media = parameter_schema(read_query(req, ParameterList).modality)

    def _object(self, model: Model) -> dict[str, Any]:
        return model_object(model, default=self.catalog.is_default(model))


def parameter_schema(modality: Modality, model: Model | None = None) -> dict[str, Any]:
    """JSON Schema of the parameters of a modality, or of those that a model honours.

    Raises:
        InvalidRequest: nothing generates that modality yet.
    """
    if (cls := PARAMETERS.get(modality)) is None:
        raise InvalidRequest.at("/query/modality", f"{modality} has no parameters yet", tuple(PARAMETERS))
    title = f"Parameters of {model.id}" if model else f"Parameters for {modality}"
    schema = object_schema(cls, model.parameters if model else None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def model_object(model: Model, *, default: bool) -> dict[str, Any]:
    """A model: OpenAI's fields and ours. Its path is nobody's business."""
    return {
        "id": model.id,
        "object": "model",
        "created": int(model.created_at.timestamp()) if model.created_at else 0,
        "owned_by": model.provider,
        "name": model.name,
        "version": model.version,
        "modality": model.modality,
        "provider": model.provider,
        "capabilities": sorted(model.capabilities),
        "aliases": model.aliases,
        "default": default,
        "size_bytes": model.size_bytes,
        "quantization": model.quantization,
        "context_length": model.context_length,
        "license": model.license,
        "source": model.source,
        "origin": model.origin,
        "status": model.status,
        "reason": model.reason,
        "pinned": model.pinned,
        "last_used_at": model.last_used_at,
    }
