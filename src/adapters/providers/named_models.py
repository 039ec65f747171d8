"""The models of a provider that says by their names what they take."""

from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

from ...domain.model import Model
from .model_names import allowed_name, listed


@frozen(kw_only=True)
class NamedModels:
    """Those that `entries` allow; `describe` knows what one takes, or None if there is no such thing.

    `listed` are those that have names, by their ids.

    Raises:
        ValueError: an entry names a model that there is not.
    """

    provider: str
    entries: Sequence[str]
    describe: Callable[[str], Model | None]
    listed: Mapping[str, Model] = field(init=False)

    @listed.default
    def _described(self) -> Mapping[str, Model]:
        models = {}
        for name in listed(self.entries):
            if (model := self.describe(name)) is None:
                raise ValueError(f"models: there is no {name!r}")
            models[model.id] = model
        return models

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if it is allowed."""
        if model := self.listed.get(model_id):
            return model
        name = allowed_name(model_id, self.provider, self.entries)
        return self.describe(name) if name else None
