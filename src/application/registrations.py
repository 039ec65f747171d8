"""Say what a model is, and change that while the service runs: register, change, remove, load, unload."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, frozen

from ..domain.access import Principal, Scope
from ..domain.errors import InvalidRequest, NameTaken, VersionConflict
from ..domain.model import LOCAL, Modality, Model, ModelStatus
from ..domain.parameters import Parameters, given
from ..domain.registration import Registered, Registration
from .catalog import Catalog, require_honoured
from .model_ports import ModelFiles, ModelLoader, ModelRegistry, ModelUses
from .ports import Clock

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]{0,126}[A-Za-z0-9])?"
"""What a model may be called."""

_RESERVED = ("parameters", "load", "unload", "discover")
MOST_ALIASES = 16


@frozen(kw_only=True)
class ModelChange:
    """What is said of a model; of these fields, only those that are `given`.

    None takes back what was said before: then the model's files or its provider tell it again.
    """

    given: frozenset[str]
    name: str | None = None
    license: str | None = None
    gated: bool | None = None
    aliases: tuple[str, ...] | None = None
    pinned: bool | None = None
    default: bool | None = None
    parameters: Mapping[str, Any] | None = None
    allow_pickle: bool | None = None


@frozen(kw_only=True)
class NewModel:
    """A model to register: its `path` in a model folder, or what its provider calls it."""

    id: str | None
    path: str | None
    provider: str | None
    model: str | None
    modality: Modality | None
    said: ModelChange


@frozen
class Discovery:
    """What a look at all sources brought, by model id."""

    models: int
    added: tuple[str, ...]
    removed: tuple[str, ...]


@define(kw_only=True)
class Registrations:
    """The catalog's writing side. `read_parameters` checks parameters of a modality that come from outside."""

    catalog: Catalog
    registry: ModelRegistry
    uses: ModelUses
    files: ModelFiles
    loader: ModelLoader
    clock: Clock
    read_parameters: Callable[[Modality, Mapping[str, Any]], Parameters]

    async def register(self, new: NewModel, principal: Principal) -> Model:
        """Register a model that is here, or that a provider offers.

        Raises:
            InsufficientScope, InvalidRequest: as they say.
            NameTaken: its id or an alias is another model's, or it is registered already.
        """
        principal.require(Scope.MODELS_ADMIN)
        async with self.registry.exclusively():
            await self.catalog.refresh()
            model, registered = await self._wanted(new), await self.catalog.registered()
            said = _unsaid(model, new.id or model.id, self.catalog.aliases)
            if known := next((it for it in registered.models if it.place == said.place), None):
                raise NameTaken(detail=f"It is registered already, as {known.id!r}.")
            if registered.of(said.id) and (await self.catalog.get(said.id)).status is not ModelStatus.MISSING:
                raise NameTaken(detail=f"{said.id!r} is another model, whose files are here.")
            said = evolve(said, created_at=self.clock())
            return await self._say(model, said, new.said, registered)

    async def change(self, name: str, change: ModelChange, principal: Principal, revision: int | None = None) -> Model:
        """Change what is said of a model; one that was found, or is offered, is registered by that.

        Args:
            name: its id, or an alias.
            change: what to change.
            principal: who does.
            revision: what was known of it, if only that may be changed.

        Raises:
            InsufficientScope, NotFound, InvalidRequest, NameTaken: as they say.
            VersionConflict: it has been changed since that revision.
        """
        principal.require(Scope.MODELS_ADMIN)
        async with self.registry.exclusively():
            await self.catalog.refresh()
            model, registered = await self.catalog.get(name), await self.catalog.registered()
            said = registered.of(model.id) or evolve(
                _unsaid(model, model.id, self.catalog.aliases), created_at=self.clock()
            )
            if revision is not None and revision != said.revision:
                raise VersionConflict(detail=f"Model {model.id!r} has been changed since: read it again.")
            return await self._say(model, said, change, registered)

    async def remove(self, name: str, principal: Principal, *, files: bool) -> int:
        """Forget what was said of a model; with `files`, unload it and delete its files too.

        Returns:
            How many bytes that freed.

        Raises:
            InsufficientScope, NotFound, ModelBusy: as they say.
            InvalidRequest: it was not registered, or its files are not in a model folder.
        """
        principal.require(Scope.MODELS_ADMIN)
        async with self.registry.exclusively():
            await self.catalog.refresh()
            model = await self.catalog.get(name)
            if files:
                freed = await self.remove_files(model)
            elif model.origin != "registered":
                raise InvalidRequest.at(
                    "/query/files",
                    f"model {model.id!r} is not registered: it stays while its files do, or its offer",
                )
            else:
                freed = 0
            await self.registry.delete(model.id)
            await self.catalog.refresh()
            return freed

    async def remove_files(self, model: Model) -> int:
        """Unload a model and delete its files; what was said of it stays, and the catalog is not refreshed.

        Returns:
            How many bytes that freed.

        Raises:
            InvalidRequest: they are not in a model folder.
            ModelBusy: it is in use.
        """
        if not self.files.holds(model):
            raise InvalidRequest.at(
                "/query/files", f"the files of model {model.id!r} are not in a folder that models may be deleted from"
            )
        await self.loader.unload(model.id)
        freed = await self.files.remove(model)
        await self.uses.forget(model.id)
        return freed

    async def discover(self, principal: Principal) -> Discovery:
        """Look for models everywhere.

        Raises:
            InsufficientScope: as it says.
        """
        principal.require(Scope.MODELS_ADMIN)
        before = {model.id for model in await self.catalog.list()}
        await self.catalog.refresh()
        after = {model.id for model in await self.catalog.list()}
        return Discovery(len(after), tuple(sorted(after - before)), tuple(sorted(before - after)))

    async def load(self, name: str, principal: Principal) -> Model:
        """Load a model, and return once it can answer at once.

        Raises:
            InsufficientScope, NotFound, ModelNotFound: as they say.
            InvalidRequest: it runs elsewhere.
            Overloaded, RunnerOutOfMemory, RunnerCrashed: it could not be loaded.
        """
        model = await self._local(name, principal)
        await self.loader.load(await self.catalog.resolve(model.id, model.modality))
        return await self.catalog.get(model.id)

    async def unload(self, name: str, principal: Principal) -> Model:
        """Unload a model, pinned or not; one that is not loaded stays as it is.

        Raises:
            InsufficientScope, NotFound: as they say.
            InvalidRequest: it runs elsewhere.
            ModelBusy: it works on requests, or loads.
        """
        model = await self._local(name, principal)
        await self.loader.unload(model.id)
        return await self.catalog.get(model.id)

    async def _local(self, name: str, principal: Principal) -> Model:
        principal.require(Scope.MODELS_ADMIN)
        model = await self.catalog.get(name)
        if model.provider != LOCAL:
            raise InvalidRequest.at("", f"model {model.id!r} runs at {model.provider}, not here")
        return model

    async def _wanted(self, new: NewModel) -> Model:
        if (new.path is None) == (new.provider is None):
            raise InvalidRequest.at("/path", "either a path must be given, or a provider with its model")
        if new.path is not None:
            model = await self.catalog.at(LOCAL, self.files.locate(new.path))
            pointer, problem = "/path", "there is no model there: POST /v1/models/discover, then see GET /v1/models"
        else:
            model = await self.catalog.at(new.provider or "", new.model or "") if new.model else None
            pointer, problem = "/model", f"provider {new.provider!r} is not configured, or does not offer that model"
        if model is None:
            raise InvalidRequest.at(pointer, problem)
        if new.modality not in (None, model.modality):
            raise InvalidRequest.at("/modality", f"that model generates {model.modality}", (model.modality,))
        return model

    async def _say(self, model: Model, said: Registration, change: ModelChange, registered: Registered) -> Model:
        said = self._changed(said, model, change)
        _expect_free((said.id, *said.aliases), said, registered)
        await self.registry.put(said, self._meant(said, change, registered))
        await self.catalog.refresh()
        return await self.catalog.get(said.id)

    def _changed(self, said: Registration, model: Model, change: ModelChange) -> Registration:
        facts: dict[str, Any] = {
            "name": change.name,
            "license": change.license,
            "gated": change.gated,
            "aliases": tuple(dict.fromkeys(change.aliases or ())),
            "pinned": bool(change.pinned),
        }
        facts = {name: value for name, value in facts.items() if name in change.given}
        if "parameters" in change.given:
            parameters = self.read_parameters(model.modality, change.parameters or {})
            require_honoured(model, parameters)
            facts["presets"] = given(parameters)
        if "allow_pickle" in change.given:
            facts["allows_pickle_of"] = model.created_at if change.allow_pickle else None
        return evolve(said, **facts)

    def _meant(self, said: Registration, change: ModelChange, registered: Registered) -> dict[Modality, str | None]:
        if "default" not in change.given:
            return {}
        if change.default:
            return {said.modality: said.id}
        return {said.modality: None} if registered.defaults.get(said.modality) == said.id else {}


def _unsaid(model: Model, model_id: str, configured: Mapping[str, str]) -> Registration:
    return Registration(
        id=model_id,
        provider=model.provider,
        target=model.path or model.upstream,
        modality=model.modality,
        aliases=tuple(alias for alias in model.aliases if alias not in configured),
    )


def _expect_free(names: Sequence[str], said: Registration, registered: Registered) -> None:
    """Insist on names that are names, and no other registered model's."""
    if len(said.aliases) > MOST_ALIASES:
        raise InvalidRequest.at("/aliases", f"may be {MOST_ALIASES} at most")
    theirs = {name: it.id for it in registered.models if it.id != said.id for name in (it.id, *it.aliases)}
    for index, name in enumerate(names):
        pointer = f"/aliases/{index - 1}" if index else "/id"
        if not re.fullmatch(NAME, name) or name.rpartition("/")[2] in _RESERVED:
            raise InvalidRequest.at(pointer, "must be letters, digits and . _ : / @ + -, and not end as a route does")
        if name in theirs:
            raise NameTaken(detail=f"{name!r} is a name of model {theirs[name]!r}.")
