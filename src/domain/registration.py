"""What an operator says of a model, and how that is merged with what was found and what providers offer.

What is said explicitly always wins: a registered model takes the place of what was found under its path or its
provider's name, and keeps its name against any model that is found later. Pure; both sides are passed in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from .model import LOCAL, Modality, Model, ModelStatus


@frozen(kw_only=True)
class Registration:
    """What an operator said of one model. What is None is left to its files or its provider.

    `target` is where a local model is, or what its provider calls it. `revision` is that of the registry in which this
    was said last. Pickles are allowed for the files that were there at that time (`allows_pickle_of`), not for others
    that take their place.
    """

    id: str
    provider: str
    target: str
    modality: Modality
    name: str | None = None
    license: str | None = None
    gated: bool | None = None
    aliases: tuple[str, ...] = ()
    pinned: bool = False
    presets: Mapping[str, Any] = field(factory=dict)
    allows_pickle_of: datetime | None = None
    revision: int = 0
    created_at: datetime | None = None

    @property
    def place(self) -> tuple[str, str]:
        """What stands for its model, among all that can be found."""
        return self.provider, self.target


@frozen(kw_only=True)
class Registered:
    """All that operators said: of models, and which one is meant where a modality's requests name none."""

    revision: int = 0
    models: tuple[Registration, ...] = ()
    defaults: Mapping[Modality, str] = field(factory=dict)

    def of(self, model_id: str) -> Registration | None:
        """What was said of the model with that id."""
        return next((it for it in self.models if it.id == model_id), None)


def place_of(model: Model) -> tuple[str, str]:
    """What stands for a model: its files, or its name at its provider."""
    return model.provider, model.path or model.upstream


def merged(
    registered: Iterable[Registration], found: Sequence[Model], match: Callable[[str], Model | None]
) -> list[Model]:
    """All models, those registered first. Of two that were `found` with one id, the earlier one stays.

    `match` gives a model of a provider that it does not list but allows.
    """
    by_place: dict[tuple[str, str], Model] = {}
    for model in found:
        by_place.setdefault(place_of(model), model)
    models: dict[str, Model] = {}
    taken = set()
    for it in registered:
        models[it.id] = _registered(it, by_place.get(it.place) or _offered(it, match))
        taken.add(it.place)
    explicit = frozenset(models)
    for model in found:
        if place_of(model) in taken:
            continue
        model_id = (
            _free_id(model.id, explicit, models) if model.id in explicit and model.provider == LOCAL else model.id
        )
        models.setdefault(model_id, evolve(model, id=model_id) if model_id != model.id else model)
    return list(models.values())


def _offered(it: Registration, match: Callable[[str], Model | None]) -> Model | None:
    return None if it.provider == LOCAL else match(f"{it.provider}/{it.target}")


def _free_id(model_id: str, explicit: frozenset[str], models: Mapping[str, Model]) -> str:
    number = 1
    while f"{model_id}-{number}" in explicit or f"{model_id}-{number}" in models:
        number += 1
    return f"{model_id}-{number}"


def _registered(said: Registration, found: Model | None) -> Model:
    model = found or _missing(said)
    return evolve(
        _judged(model, said),
        id=said.id,
        origin="registered",
        name=said.name or model.name,
        license=said.license or model.license,
        gated=model.gated if said.gated is None else said.gated,
        aliases=said.aliases,
        pinned=said.pinned,
        presets=said.presets,
    )


def _judged(model: Model, said: Registration) -> Model:
    """With pickles allowed for just these files, the model is for whichever engine opens them; there may be none."""
    if not model.pickled or said.allows_pickle_of is None or said.allows_pickle_of != model.created_at:
        return model
    if model.engine is None:
        return evolve(
            model,
            allows_pickle=True,
            reason="its weights are pickles, which are allowed for it, but no engine here opens them: convert it",
        )
    return evolve(model, allows_pickle=True, status=ModelStatus.AVAILABLE, reason=None)


def _missing(said: Registration) -> Model:
    local = said.provider == LOCAL
    return Model(
        id=said.id,
        name=said.id,
        modality=said.modality,
        provider=said.provider,
        upstream=said.target,
        origin="registered",
        parameters=frozenset(),
        path=said.target if local else None,
        status=ModelStatus.MISSING,
        reason="its files are gone" if local else f"{said.provider} is not configured here, or does not offer it",
        created_at=said.created_at,
    )
