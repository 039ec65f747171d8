"""Which models there are, and which one a request means."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from attrs import define, evolve, field, frozen

from ..domain.access import Principal
from ..domain.errors import InvalidRequest, ModelModalityMismatch, ModelNotFound, NotFound, Violation
from ..domain.model import LOCAL, UNUSABLE, Modality, Model, ModelStatus
from ..domain.parameters import Parameters, given
from ..domain.registration import Registered, merged, place_of
from .catalog_snapshot import Snapshot
from .model_ports import ModelRegistry, ModelUses
from .ports import ModelSource, RunnerStatus


@frozen(kw_only=True)
class ModelFilter:
    """Which models to list; `None` means any. `text` must occur in the id or the name."""

    modality: Modality | None = None
    provider: str | None = None
    capability: str | None = None
    status: ModelStatus | None = None
    text: str | None = None

    def accepts(self, model: Model) -> bool:
        """Whether the model is one of those."""
        return (
            self.modality in (None, model.modality)
            and self.provider in (None, model.provider)
            and (self.capability is None or self.capability in model.capabilities)
            and self.status in (None, model.status)
            and (self.text is None or self.text.lower() in f"{model.id} {model.name}".lower())
        )


@define(kw_only=True)
class Catalog:
    """All models: those that are registered, those of all sources, and what operators said of them.

    `aliases` maps names of the operator's choosing to model ids; `defaults` names the model of a modality that is
    meant when a request names none; what the registry says goes before both. Without a `registry`, as in commands that
    run beside the service, nothing is registered.

    What is known answers at once. Whoever changes something calls `refresh`, and so does a task that looks at the
    folders and the registry again and again; what is not known is looked for before it is refused.
    """

    sources: Sequence[ModelSource]
    runners: RunnerStatus
    aliases: Mapping[str, str] = field(factory=dict)
    defaults: Mapping[Modality, str] = field(factory=dict)
    registry: ModelRegistry | None = None
    uses: ModelUses | None = None
    on_pins: Callable[[frozenset[str]], None] | None = None
    _known: Snapshot | None = field(init=False, default=None)
    _refreshing: "asyncio.Task[Snapshot] | None" = field(init=False, default=None)
    _used: dict[str, datetime] = field(init=False, factory=dict)

    async def refresh(self) -> None:
        """Ask every source and the registry again.

        Raises:
            StoreUnavailable: the registry cannot be read; what was known stays so.
        """
        await self._refresh()

    async def follow(self) -> None:
        """Ask again if another gateway has changed the registry."""
        if self.registry is None or self._known is None:
            return
        if await self.registry.revision() != self._known.registered.revision:
            await self._refresh()

    async def list(self, wanted: ModelFilter | None = None) -> list[Model]:
        """The models that `wanted` accepts, as they are now."""
        snapshot, wanted = await self._snapshot(), wanted or ModelFilter()
        models = [self._as_it_is(model, snapshot) for model in snapshot.models.values()]
        return [model for model in models if wanted.accepts(model)]

    async def get(self, name: str) -> Model:
        """The model with that id or alias.

        Raises:
            NotFound: there is none.
        """
        if (model := await self._find(name)) is None:
            raise NotFound.of("model", name)
        return self._as_it_is(model, await self._snapshot())

    async def at(self, provider: str, target: str) -> Model | None:
        """The model whose files are there, or which its provider calls so."""
        snapshot = await self._snapshot()
        place = (provider, target)
        known = next((model for model in snapshot.models.values() if place_of(model) == place), None)
        return known if provider == LOCAL else known or self._match(f"{provider}/{target}")

    async def registered(self) -> Registered:
        """What operators said, as far as it is known here."""
        return (await self._snapshot()).registered

    def is_default(self, model: Model) -> bool:
        """Whether requests that name no model mean this one."""
        return self._default(model.modality) == model.id

    def used(self, model: Model, at: datetime) -> None:
        """Note that it is used now, if it is one that is listed: of those that a pattern allows there is no end."""
        if self._known and model.id in self._known.models:
            self._used[model.id] = at

    async def store_uses(self) -> None:
        """Store when models were used since the last time.

        Raises:
            StoreUnavailable: as it says; the next time is another try.
        """
        if self.uses is None or not self._used:
            return
        noted, self._used = self._used, {}
        try:
            await self.uses.note(noted)
        except BaseException:
            self._used = noted | self._used
            raise
        if self._known:
            self._known = evolve(self._known, last_used={**self._known.last_used, **noted})

    async def resolve(self, selector: str | None, modality: Modality, *, pictured: bool = False) -> Model:
        """The model that a request means by an id, an alias or `provider/model`, or by naming none.

        Where it names none and there is no default, it means the only one that can take it: with a picture to begin
        with (`pictured`), or without.

        Raises:
            ModelNotFound: nothing answers to that name, or it cannot be used; the message says why and what could.
            ModelModalityMismatch: the model generates something else.
        """
        name = selector or self._default(modality, pictured=pictured)
        if name is None:
            await self._refresh()
            name = self._default(modality, pictured=pictured)
        if name is None:
            raise self._no_default(modality)
        if (model := await self._find(name)) is None:
            raise self._unknown(name, modality)
        if model.modality is not modality:
            raise ModelModalityMismatch(
                detail=f"Model {model.id!r} generates {model.modality}, not {modality}.{self._offer(modality)}"
            )
        if model.status in UNUSABLE:
            raise ModelNotFound(
                detail=f"Model {model.id!r} cannot be used, it is {model.status}: {model.reason}", selector=name
            )
        return model

    async def resolve_for(
        self, principal: Principal, selector: str | None, modality: Modality, *, pictured: bool = False
    ) -> Model:
        """`resolve`, for somebody who may not be told of models that are not theirs.

        Raises:
            ModelNotAllowed: they may not ask it, whether there is such a model or not.
            ModelNotFound, ModelModalityMismatch: as `resolve`.
        """
        try:
            model = await self.resolve(selector, modality, pictured=pictured)
        except (ModelNotFound, ModelModalityMismatch) as error:
            if principal.models is None:
                raise
            if selector is not None:
                principal.require_model(selector)
            raise ModelNotFound(
                detail=f"No such model is for {modality}. Your credentials are for {', '.join(principal.models)}.",
                selector=selector or "",
            ) from error
        principal.require_model(model.id)
        return model

    async def _snapshot(self) -> Snapshot:
        return self._known or await self._refresh()

    async def _refresh(self) -> Snapshot:
        """Those who ask while it is being done wait for one that begins after they asked, all for the same."""
        if (running := self._refreshing) and not running.done():
            await asyncio.wait({running})
        if (running := self._refreshing) is None or running.done():
            self._refreshing = running = asyncio.create_task(self._look())
            running.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(running)

    async def _look(self) -> Snapshot:
        found = [model for source in self.sources for model in await source.models()]
        registered = await self.registry.read() if self.registry else Registered()
        self._known = Snapshot.of(
            merged(registered.models, found, self._match),
            registered=registered,
            last_used=await self.uses.all() if self.uses else {},
            aliases=self.aliases,
            defaults=self.defaults,
        )
        if self.on_pins:
            self.on_pins(frozenset(it.id for it in self._known.models.values() if it.pinned))
        return self._known

    async def _find(self, name: str) -> Model | None:
        if (model := self._called(name)) is None:
            await self._refresh()
            model = self._called(name)
        return model

    def _called(self, name: str) -> Model | None:
        if self._known and (model := self._known.names.get(name)):
            return model
        return self._match(self.aliases.get(name, name))

    def _match(self, model_id: str) -> Model | None:
        return next((found for source in self.sources if (found := source.match(model_id))), None)

    def _default(self, modality: Modality, *, pictured: bool = False) -> str | None:
        return (self._known or Snapshot()).meant.get((modality, pictured)) or self.defaults.get(modality)

    def _as_it_is(self, model: Model, snapshot: Snapshot) -> Model:
        runs = model.provider == LOCAL and model.status is ModelStatus.AVAILABLE
        status = self.runners.status(model.id) if runs else model.status
        last_used_at = self._used.get(model.id) or snapshot.last_used.get(model.id)
        if status is model.status and last_used_at is None:
            return model
        return evolve(model, status=status, last_used_at=last_used_at)

    def _names(self, modality: Modality) -> Sequence[str]:
        return [model.id for model in (self._known or Snapshot()).models.values() if model.modality is modality]

    def _offer(self, modality: Modality) -> str:
        names = self._names(modality)
        return (
            f" For {modality} there is {', '.join(names[:8])}." if names else f" There is no model for {modality} yet."
        )

    def _no_default(self, modality: Modality) -> ModelNotFound:
        return ModelNotFound(
            detail=f"The request names no model, and {modality} has no default.{self._offer(modality)}",
            close_matches=tuple(self._names(modality)[:8]),
        )

    def _unknown(self, name: str, modality: Modality) -> ModelNotFound:
        names = [*self._names(modality), *self.aliases]
        close = tuple(get_close_matches(name.lower(), names, n=3, cutoff=0.5))
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else self._offer(modality)
        return ModelNotFound(detail=f"There is no model {name!r}.{hint}", selector=name, close_matches=close)


def require_honoured(model: Model, parameters: Parameters) -> None:
    """Refuse the parameters that the model does not honour, or not that much of, all at once.

    Raises:
        InvalidRequest: with one violation for each.
    """
    wanted = given(parameters)
    refused = [name for name in wanted if name not in model.parameters]
    if refused:
        honoured = tuple(sorted(model.parameters))
        raise InvalidRequest(
            detail=f"Model {model.id!r} does not know {', '.join(refused)}; it knows {', '.join(honoured)}.",
            violations=tuple(
                Violation(
                    pointer=f"/parameters/{name}", message=f"model {model.id!r} does not know it", allowed=honoured
                )
                for name in refused
            ),
        )
    beyond = {name: model.bounds[name].refusal(it) for name, it in wanted.items() if name in model.bounds}
    violations = [
        Violation(pointer=f"/parameters/{name}", message=refusal[0], allowed=refusal[1])
        for name, refusal in beyond.items()
        if refusal
    ]
    if violations:
        raise InvalidRequest.of(violations)
