"""The models that a configuration names: names, which are listed, and patterns (`claude-*`), which only allow."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from attrs import frozen

from ...domain.model import Model


def is_pattern(entry: str) -> bool:
    """Whether it stands for names that it does not say."""
    return any(character in entry for character in "*?[")


def fits(name: str, entries: Sequence[str]) -> bool:
    """Whether a model is one of those."""
    return any(fnmatchcase(name, entry) if is_pattern(entry) else name == entry for entry in entries)


def meant(model_id: str, provider: str, entries: Sequence[str]) -> str | None:
    """What the provider calls the model with that id, if it is one of its own and allowed."""
    owner, _, name = model_id.partition("/")
    return name if owner == provider and name and fits(name, entries) else None


@frozen(kw_only=True)
class NamedModels:
    """The models of a provider; `describe` knows what one takes by its name, or None if there is no such thing."""

    provider: str
    entries: Sequence[str]
    describe: Callable[[str], Model | None]

    def listed(self) -> Mapping[str, Model]:
        """Those that have names, by their ids.

        Raises:
            ValueError: there is no such model.
        """
        models = {}
        for entry in self.entries:
            if not is_pattern(entry):
                if (model := self.describe(entry)) is None:
                    raise ValueError(f"models: there is no {entry!r}")
                models[model.id] = model
        return models

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if it is allowed."""
        name = meant(model_id, self.provider, self.entries)
        return self.describe(name) if name else None
