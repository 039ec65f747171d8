"""Which models there are, and which one a request means."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from attrs import define, evolve, field, frozen

from ..domain.crossing import FROM_PICTURES, FROM_WORDS
from ..domain.errors import InvalidRequest, ModelModalityMismatch, ModelNotFound, NotFound, Violation
from ..domain.model import LOCAL, Modality, Model, ModelStatus
from ..domain.parameters import Parameters, given
from .ports import ModelSource, RunnerStatus

UNUSABLE = frozenset(
    {ModelStatus.DOWNLOADING, ModelStatus.INCOMPLETE, ModelStatus.UNSUPPORTED, ModelStatus.MISSING},
)


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
    """All models of all sources. Where two have the same id, the earlier source wins.

    `aliases` maps names of the operator's choosing to model ids; `defaults` names the model of a modality that is
    meant when a request names none.
    """

    sources: Sequence[ModelSource]
    runners: RunnerStatus
    aliases: Mapping[str, str] = field(factory=dict)
    defaults: Mapping[Modality, str] = field(factory=dict)
    _models: dict[str, Model] = field(init=False, factory=dict)
    _other_names: dict[str, str] = field(init=False, factory=dict)

    async def refresh(self) -> None:
        """Ask every source again."""
        models: dict[str, Model] = {}
        for source in self.sources:
            for model in await source.models():
                models.setdefault(model.id, self._with_aliases(model))
        self._models = models
        self._other_names = {alias: model.id for model in models.values() for alias in model.aliases}

    async def list(self, wanted: ModelFilter | None = None) -> list[Model]:
        """The models that `wanted` accepts, as they are now."""
        await self.refresh()
        wanted = wanted or ModelFilter()
        return [model for model in map(self._as_it_is, self._models.values()) if wanted.accepts(model)]

    async def get(self, name: str) -> Model:
        """The model with that id or alias.

        Raises:
            NotFound: there is none.
        """
        if (model := await self._find(name)) is None:
            raise NotFound.of("model", name)
        return self._as_it_is(model)

    def is_default(self, model: Model) -> bool:
        """Whether requests that name no model mean this one."""
        return self._default(model.modality) == model.id

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
            await self.refresh()
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

    async def _find(self, name: str) -> Model | None:
        model_id = self.aliases.get(name, name)
        if (model := self._known(model_id)) is None:
            await self.refresh()
            model = self._known(model_id)
        return model

    def _known(self, model_id: str) -> Model | None:
        if model := self._models.get(model_id) or self._models.get(self._other_names.get(model_id, "")):
            return model
        return next((found for source in self.sources if (found := source.match(model_id))), None)

    def _default(self, modality: Modality, *, pictured: bool = False) -> str | None:
        if named := self.defaults.get(modality):
            return self.aliases.get(named, named)
        usable = [
            model for model in self._models.values() if model.modality is modality and model.status not in UNUSABLE
        ]
        if len(usable) > 1 and modality is not Modality.TEXT:
            usable = [model for model in usable if model.capabilities & (FROM_PICTURES if pictured else FROM_WORDS)]
        return usable[0].id if len(usable) == 1 else None

    def _as_it_is(self, model: Model) -> Model:
        if model.provider != LOCAL or model.status is not ModelStatus.AVAILABLE:
            return model
        return evolve(model, status=self.runners.status(model.id))

    def _with_aliases(self, model: Model) -> Model:
        aliases = tuple(alias for alias, target in self.aliases.items() if target == model.id)
        return evolve(model, aliases=(*model.aliases, *aliases)) if aliases else model

    def _names(self, modality: Modality) -> Sequence[str]:
        return [model.id for model in self._models.values() if model.modality is modality]

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
    """Refuse the parameters that the model does not honour, all at once.

    Raises:
        InvalidRequest: with one violation for each.
    """
    refused = [name for name in given(parameters) if name not in model.parameters]
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
