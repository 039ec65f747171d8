"""Routes in the catalog: models that stand for others."""

from collections.abc import Mapping, Sequence

from attrs import define

from ..domain.model import Model
from ..domain.routing import ROUTE, Route
from .ports import ModelSource


@define
class RouteModels:
    """A `ModelSource`: each route as a model, with what its models can do together. `sources` have those."""

    routes: Mapping[str, Route]
    sources: Sequence[ModelSource]

    async def models(self) -> Sequence[Model]:
        """The routes of which at least one model is known."""
        if not self.routes:
            return ()
        listed = {model.id: model for source in self.sources for model in await source.models()}
        shown = [(route, self._known(route, listed)) for route in self.routes.values()]
        return [_as_model(route, models) for route, models in shown if models]

    def match(self, model_id: str) -> Model | None:  # noqa: ARG002 - the port's signature
        """None: routes are listed."""
        return None

    def _known(self, route: Route, listed: Mapping[str, Model]) -> list[Model]:
        found = [listed.get(name) or self._match(name) for tier in route.tiers for name in tier]
        return [model for model in found if model]

    def _match(self, name: str) -> Model | None:
        return next((found for source in self.sources if (found := source.match(name))), None)


def _as_model(route: Route, models: Sequence[Model]) -> Model:
    alike = [model for model in models if model.modality is models[0].modality]
    return Model(
        id=route.name,
        name=route.name,
        modality=models[0].modality,
        provider=ROUTE,
        upstream=route.name,
        origin="registered",
        parameters=frozenset().union(*(model.parameters for model in alike)),
        capabilities=frozenset().union(*(model.capabilities for model in alike)),
        source=", ".join(name for tier in route.tiers for name in tier),
    )
