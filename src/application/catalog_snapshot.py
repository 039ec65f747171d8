"""All models at one moment, merged and arranged so that a request finds its own without any waiting."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from attrs import evolve, field, frozen

from ..domain.crossing import FROM_PICTURES, FROM_WORDS
from ..domain.model import UNUSABLE, Modality, Model
from ..domain.registration import Registered
from ..domain.routing import ROUTE


@frozen(kw_only=True)
class Snapshot:
    """Models by their ids and by all `names`; which one is `meant` for a modality, with a picture to begin with or not.

    `last_used` are the times that were stored, by model id.
    """

    models: Mapping[str, Model] = field(factory=dict)
    names: Mapping[str, Model] = field(factory=dict)
    meant: Mapping[tuple[Modality, bool], str] = field(factory=dict)
    registered: Registered = field(factory=Registered)
    last_used: Mapping[str, datetime] = field(factory=dict)

    @classmethod
    def of(
        cls,
        models: Iterable[Model],
        *,
        registered: Registered,
        last_used: Mapping[str, datetime],
        aliases: Mapping[str, str],
        defaults: Mapping[Modality, str],
    ) -> "Snapshot":
        """Arrange them; `aliases` and `defaults` are those of the settings."""
        by_id = {model.id: _with_aliases(model, aliases) for model in models}
        names = _names(by_id, aliases)
        return cls(
            models=by_id,
            names=names,
            meant=_meant(by_id, names, defaults, registered.defaults),
            registered=registered,
            last_used=last_used,
        )


def _with_aliases(model: Model, aliases: Mapping[str, str]) -> Model:
    more = tuple(alias for alias, target in aliases.items() if target == model.id)
    return evolve(model, aliases=(*model.aliases, *more)) if more else model


def _names(models: Mapping[str, Model], aliases: Mapping[str, str]) -> dict[str, Model]:
    """What somebody said goes before what comes from files: a name keeps its meaning when files are added."""
    explicit = [model for model in models.values() if model.origin == "registered"]
    names = {model.id: model for model in explicit}
    said = [(alias, model) for model in explicit for alias in model.aliases]
    said += [(alias, models[target]) for alias, target in aliases.items() if target in models]
    found = [(alias, model) for model in models.values() for alias in model.aliases]
    for name, model in (*said, *models.items(), *found):
        names.setdefault(name, model)
    return names


def _meant(
    models: Mapping[str, Model],
    names: Mapping[str, Model],
    configured: Mapping[Modality, str],
    registered: Mapping[Modality, str],
) -> dict[tuple[Modality, bool], str]:
    """What was said last, by the registry; else by the settings; else the only one that there is to choose."""
    meant: dict[tuple[Modality, bool], str] = {}
    for modality in Modality:
        said = registered.get(modality) or configured.get(modality)
        for pictured in (False, True):
            if said:
                meant[modality, pictured] = names[said].id if said in names else said
            elif only := _only_one(models.values(), modality, pictured=pictured):
                meant[modality, pictured] = only.id
    return meant


def _only_one(models: Iterable[Model], modality: Modality, *, pictured: bool) -> Model | None:
    listed = [model for model in models if model.modality is modality and model.provider != ROUTE]
    usable = [model for model in listed if model.status not in UNUSABLE]
    if len(usable) > 1 and modality is not Modality.TEXT:
        usable = [model for model in usable if model.capabilities & (FROM_PICTURES if pictured else FROM_WORDS)]
    return usable[0] if len(usable) == 1 else None
