"""The models of a provider that says by their names what they take."""

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from ...domain.model import Model
from .model_names import allowed_name, listed


@frozen(kw_only=True)
class NamedModels:
    """Those that `entries` allow; `describe` knows what one takes, or None if there is no such thing."""

    provider: str
    entries: Sequence[str]
    describe: Callable[[str], Model | None]

    def listed(self) -> Mapping[str, Model]:
        """Those that have names, by their ids.

        Raises:
            ValueError: there is no such model.
        """
        models = {}
        for name in listed(self.entries):
            if (model := self.describe(name)) is None:
                raise ValueError(f"models: there is no {name!r}")
            models[model.id] = model
        return models

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if it is allowed."""
        name = allowed_name(model_id, self.provider, self.entries)
        return self.describe(name) if name else None
