"""`/v1/models` and `/v1/parameters`: what can be asked, and how. OpenAI's clients read the same lists."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from attrs import asdict, field, fields, frozen
from falcon.asgi import Response

from ....application.catalog import Catalog, ModelFilter
from ....application.registrations import NAME, ModelChange, NewModel, Registrations
from ....domain.access import Scope
from ....domain.errors import NotFound
from ....domain.model import Modality, Model, ModelStatus
from ....domain.parameters import Field
from ..body import Nothing, principal_of, read_body, read_fields, read_query, refuse_idempotency_key
from ..entity_tags import expected_revision, has_it, tag_of
from ..exchange import Request
from ..model_objects import ShownModels, parameter_schema, selection_object
from ..paging import list_object
from ..problems import MethodNotAllowed

_PARAMETERS, _LOAD, _UNLOAD = "/parameters", "/load", "/unload"
_DISCOVER = "discover"
_encode = msgspec.json.Encoder().encode


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


@frozen(kw_only=True)
class Removal:
    """What to remove."""

    files: Annotated[Literal["true", "false"], Field("Its files too.")] = "false"


@frozen(kw_only=True)
class ModelSaid:
    """What is said of a model; null takes it back."""

    name: Annotated[str | None, Field("What people call it.", max_length=256)] = None
    license: Annotated[str | None, Field("Its licence, best as SPDX has it.", max_length=128)] = None
    gated: Annotated[bool | None, Field("Whether one has to agree to its licence before fetching it.")] = None
    aliases: Annotated[
        tuple[Annotated[str, Field("A name.", pattern=NAME)], ...] | None,
        Field("More names that it answers to.", max_length=16),
    ] = None
    pinned: Annotated[bool | None, Field("Keep it: on the disk, and in memory once it is loaded.")] = None
    default: Annotated[bool | None, Field("It is meant where a request of its modality names no model.")] = None
    parameters: Annotated[
        Mapping[str, Any] | None, Field("Values for the parameters that a request does not give.", max_length=32)
    ] = None
    allow_pickle: Annotated[
        bool | None, Field("Let an engine open it although its weights are pickles, which can run code.")
    ] = None

    def change(self, named: frozenset[str]) -> ModelChange:
        """As the use case takes it; `named` are the fields that the body has."""
        said = {it.name: getattr(self, it.name) for it in fields(ModelSaid)}
        return ModelChange(given=named.intersection(said), **said)


@frozen(kw_only=True)
class ModelToRegister(ModelSaid):
    """A model to register: its path in a model folder, or a provider and what that calls it."""

    id: Annotated[str | None, Field("What requests call it; else what it was found as.", pattern=NAME)] = None
    path: Annotated[str | None, Field("Where it is, in a model folder.", max_length=4_096)] = None
    provider: Annotated[str | None, Field("Whose it is.", max_length=64)] = None
    model: Annotated[str | None, Field("What the provider calls it.", max_length=512)] = None
    modality: Annotated[Modality | None, Field("What it is known to generate.")] = None


@frozen
class Models:
    """The resource."""

    catalog: Catalog
    registrations: Registrations
    _shown: ShownModels = field(init=False, factory=ShownModels)

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
        principal = principal_of(req)
        body = _encode(list_object([self._object(req, model) for model in models if principal.may_see(model.id)]))
        _send(req, resp, body, tag_of(body))

    async def on_post(self, req: Request, resp: Response) -> None:
        """Register a model."""
        refuse_idempotency_key(req, "")
        wanted = read_body(req, ModelToRegister)
        new = NewModel(
            id=wanted.id,
            path=wanted.path,
            provider=wanted.provider,
            model=wanted.model,
            modality=wanted.modality,
            said=wanted.change(read_fields(req)),
        )
        model = await self.registrations.register(new, principal_of(req))
        resp.status_code = 201
        resp.set_header("Location", f"/v1/models/{model.id}")
        await self._show(req, resp, model)

    async def on_get_one(self, req: Request, resp: Response, path: str) -> None:
        """One model, or its parameters; ids may have slashes, so the path is taken apart here."""
        read_query(req, Nothing)
        model = await self.catalog.get(path.removesuffix(_PARAMETERS))
        if not principal_of(req).may_see(model.id):
            raise NotFound.of("model", path.removesuffix(_PARAMETERS))
        if path.endswith(_PARAMETERS):
            resp.media = parameter_schema(model.modality, model) | await self._selection(model.modality, model)
        else:
            await self._show(req, resp, model)

    async def on_patch_one(self, req: Request, resp: Response, path: str) -> None:
        """Change what is said of a model."""
        refuse_idempotency_key(req, "")
        change = read_body(req, ModelSaid).change(read_fields(req))
        await self._show(
            req, resp, await self.registrations.change(path, change, principal_of(req), expected_revision(req))
        )

    async def on_delete_one(self, req: Request, resp: Response, path: str) -> None:
        """Forget what was said of a model, or delete it with its files."""
        refuse_idempotency_key(req, "")
        files = read_query(req, Removal).files == "true"
        freed = await self.registrations.remove(path, principal_of(req), files=files)
        resp.media = {"id": path, "object": "model", "deleted": True, "freed_bytes": freed}

    async def on_post_one(self, req: Request, resp: Response, path: str) -> None:
        """Do something with a model, or look for models."""
        refuse_idempotency_key(req, "")
        read_body(req, Nothing)
        principal = principal_of(req)
        if path == _DISCOVER:
            resp.media = {"object": "model.discovery", **asdict(await self.registrations.discover(principal))}
        elif path.endswith(_UNLOAD):
            await self._show(req, resp, await self.registrations.unload(path.removesuffix(_UNLOAD), principal))
        elif path.endswith(_LOAD):
            await self._show(req, resp, await self.registrations.load(path.removesuffix(_LOAD), principal))
        else:
            await self.catalog.get(path)
            allow = _methods_at(path)
            raise MethodNotAllowed(detail=f"{req.path} does not have POST; it has {allow}.", allow=allow)

    async def on_options_one(self, req: Request, resp: Response, path: str) -> None:  # noqa: ARG002 - Falcon's signature
        """Which methods there are, as the route stands for several."""
        resp.set_header("allow", _methods_at(path))

    async def on_get_parameters(self, req: Request, resp: Response) -> None:
        """All parameters of a modality, and how to choose a model."""
        modality = read_query(req, ParameterList).modality
        resp.media = parameter_schema(modality) | await self._selection(modality)

    async def _selection(self, modality: Modality, only: Model | None = None) -> dict[str, Any]:
        models = await self.catalog.list(ModelFilter(modality=modality))
        default = next((model.id for model in models if self.catalog.is_default(model)), None)
        return {"x-model-selection": selection_object(modality, [only] if only else models, default)}

    async def _show(self, req: Request, resp: Response, model: Model) -> None:
        said = (await self.catalog.registered()).of(model.id)
        body = _encode(self._object(req, model))
        _send(req, resp, body, tag_of(body, said.revision if said else 0))

    def _object(self, req: Request, model: Model) -> msgspec.Raw:
        with_path = Scope.MODELS_ADMIN in principal_of(req).scopes
        return self._shown.of(model, default=self.catalog.is_default(model), with_path=with_path)


def _methods_at(path: str) -> str:
    if path.endswith(_PARAMETERS):
        return "GET"
    return "POST" if path == _DISCOVER or path.endswith((_LOAD, _UNLOAD)) else "DELETE, GET, PATCH"


def _send(req: Request, resp: Response, body: bytes, tag: str) -> None:
    resp.set_header("etag", tag)
    if req.method in ("GET", "HEAD") and has_it(req, tag):
        resp.status_code = 304
        return
    resp.content_type = "application/json"
    resp.data = body
