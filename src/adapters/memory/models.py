"""A source of models that are simply told to it: for tests, and to develop against."""

from collections.abc import Sequence

from attrs import define, field

from ...domain.model import Model


@define
class ListedModels:
    """A `ModelSource` of `listed` models; others may be asked for, and then come from `unlisted` by their id."""

    listed: Sequence[Model]
    unlisted: Sequence[Model] = field(factory=tuple)

    async def models(self) -> Sequence[Model]:
        """The listed models, in the order given."""
        return list(self.listed)

    def match(self, model_id: str) -> Model | None:
        """The unlisted model with that id."""
        return next((model for model in self.unlisted if model.id == model_id), None)
