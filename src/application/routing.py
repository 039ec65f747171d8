"""From the model that a request names to the one that answers it: candidates, their health, and the tries of each."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from time import monotonic

from attrs import define, evolve, field, frozen

from ..domain.access import Principal
from ..domain.attempt import Attempt
from ..domain.errors import GatewayError, Rejected
from ..domain.model import Modality, Model
from ..domain.parameters import Parameters
from ..domain.routing import ROUTE, BreakerPolicy, Health, RetryPolicy, Route, tells_of_health
from .catalog import Catalog, require_honoured
from .deadlines import Deadlines
from .seats import Seats

HEALTHY = Health()


@frozen
class Candidates:
    """The model that was asked for, and those that may answer, tier by tier; none of them is empty."""

    asked: Model
    tiers: tuple[tuple[Model, ...], ...]

    @property
    def lead(self) -> Model:
        """The first of them."""
        return self.tiers[0][0]


@define(eq=False, kw_only=True)
class Router:
    """Knows which models stand for which, and how they have been.

    `seats` bounds how much is asked of a provider at once. `chance` gives numbers from 0 to 1, `now` seconds.
    """

    catalog: Catalog
    routes: Mapping[str, Route] = field(factory=dict)
    retries: RetryPolicy = field(factory=RetryPolicy)
    breaker: BreakerPolicy = field(factory=BreakerPolicy)
    seats: Mapping[str, Seats] = field(factory=dict)
    chance: Callable[[], float] = random.random
    now: Callable[[], float] = monotonic
    deadlines: Deadlines = field(init=False, factory=Deadlines)
    _health: dict[str, Health] = field(init=False, factory=dict)
    _busy: Counter[str] = field(init=False, factory=Counter)

    async def candidates(
        self,
        selector: str | None,
        modality: Modality,
        parameters: Parameters,
        *,
        principal: Principal,
        pictured: bool = False,
    ) -> Candidates:
        """The models that may answer; those of a route that cannot take the request are left out.

        Who may ask for a route may ask for its models by it.

        Raises:
            ModelNotAllowed: the principal may not ask for it.
            ModelNotFound, ModelModalityMismatch, InvalidRequest: none can; of a route, why its first one cannot.
        """
        asked = await self.catalog.resolve_for(principal, selector, modality, pictured=pictured)
        if asked.provider != ROUTE:
            require_honoured(asked, parameters)
            return Candidates(asked, ((asked,),))
        tiers, refusals = [], []
        for names in self.routes[asked.id].tiers:
            tier = []
            for name in names:
                try:
                    model = await self.catalog.resolve(name, modality)
                    require_honoured(model, parameters)
                    tier.append(model)
                except Rejected as error:
                    refusals.append(error)
            tiers.append(tuple(tier))
        if not any(tiers):
            raise refusals[0]
        return Candidates(asked, tuple(tier for tier in tiers if tier))

    def health(self, model: Model) -> Health:
        """How the model has been."""
        return self._health.get(model.id, HEALTHY)

    def left_in_peace(self) -> tuple[str, ...]:
        """The ids of the models that are not asked for a while after failing."""
        now, failures = self.now(), self.breaker.failures
        return tuple(it for it, had in self._health.items() if had.failures >= failures and had.rests_until > now)

    def well(self, model_id: str) -> None:
        """Its provider says that it is well: it is asked once, and left in peace again if it fails."""
        if health := self._health.get(model_id):
            self._health[model_id] = evolve(health, rests_until=self.now())

    def load(self, asked: Model, model: Model) -> float:
        """How busy a model of a route is, for its weight."""
        weights = self.routes[asked.id].weights if asked.provider == ROUTE else {}
        return (self._busy[model.id] + 1) / weights.get(model.id, 1.0)

    def hedge_after_s(self, asked: Model) -> float | None:
        """After how long without an output a second model of the route is asked too; None: never."""
        return self.routes[asked.id].hedge_after_s if asked.provider == ROUTE else None

    def has_room(self, model: Model) -> bool:
        """Whether its provider may be asked one more at once."""
        seats = self.seats.get(model.provider)
        return seats is None or seats.has_room

    def begins(self, model: Model) -> None:
        """It is asked."""
        self._busy[model.id] += 1
        if model.id in self._health:
            self._health[model.id] = self._health[model.id].asked(self.breaker, self.now())

    def ends(self, model: Model) -> None:
        """It is not asked any more."""
        self._busy[model.id] -= 1

    def succeeded(self, model_id: str) -> None:
        """It answers."""
        self._health.pop(model_id, None)

    def failed(self, model: Model, error: GatewayError) -> None:
        """It did not, for that reason."""
        if tells_of_health(error):
            self._health[model.id] = self.health(model).failed(self.breaker, error, self.now())


def attempt(model: Model, status: str, took_s: float) -> Attempt:
    """What is told of one try."""
    return Attempt(provider=model.provider, model=model.id, status=status, ms=round(took_s * 1000))
