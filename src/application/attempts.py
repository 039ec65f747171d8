"""The tries of one request: which model is asked next, after which pause, and when it is enough."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from attrs import define, field

from ..domain.attempt import HEDGED_AWAY, Attempt
from ..domain.errors import GatewayError, ProviderRateLimited, ProviderUnavailable, Rejected
from ..domain.model import LOCAL, Model
from ..domain.routing import may_be_tried_again
from .routing import Candidates, Router, attempt

_UNBOUNDED = nullcontext()


@define(eq=False)
class Attempts:
    """Over all candidates of one request; `made` are those that have ended."""

    router: Router
    candidates: Candidates
    made: list[Attempt] = field(init=False, factory=list)
    deadline: float = field(init=False)
    _last: GatewayError | None = field(init=False, default=None)
    _again: dict[str, Model] = field(init=False, factory=dict)
    _left: dict[str, Model] = field(init=False)
    _retries: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        """Begin the time that the request has."""
        self.deadline = self.router.now() + self.router.retries.deadline_s
        self._left = {model.id: model for tier in self.candidates.tiers for model in tier}

    async def next(self) -> Model:
        """The model to ask now; returns after the pause that it takes.

        First each candidate once, the healthy ones at once. Then again those that may have been unlucky.

        Raises:
            GatewayError: it is enough: what the last one raised. Or all of them rest, and for longer than is waited.
        """
        if self._last and len(self.made) >= self.router.retries.attempts:
            raise self._last
        if model := self._ready():
            return self._taken(model)
        now, waits = self.router.now(), {}
        for model in self._left.values():
            waits[model.id] = self.router.health(model).rests_until - now
        if self._again:
            pause_s = self.router.retries.pause_s(self._retries, self.router.chance())
            self._retries += 1
            for model in self._again.values():
                waits[model.id] = max(pause_s, self.router.health(model).rests_until - now)
        if not waits:
            raise self._last or ProviderUnavailable()
        model_id, wait_s = min(waits.items(), key=lambda it: it[1])
        model = self._left.get(model_id) or self._again[model_id]
        if wait_s > self.router.retries.patience_s or now + wait_s > self.deadline:
            raise self._last or self._resting(model, wait_s)
        await asyncio.sleep(max(0.0, wait_s))
        return self._taken(model)

    def second(self, first: Model) -> Model | None:
        """The model to ask beside the first, which goes on: one that was not asked yet and can begin at once.

        None if there is none, or the tries are used up. Two that run here never share the machine for one request.
        """
        if len(self.made) + 1 >= self.router.retries.attempts:
            return None
        for tier in self.candidates.tiers:
            able = [
                it
                for it in self._healthy(tier)
                if self.router.has_room(it) and not it.provider == first.provider == LOCAL
            ]
            if able:
                return self._taken(self._least_busy(able))
        return None

    @property
    def time_left_s(self) -> float:
        """How long the first output may still take."""
        return max(0.0, self.deadline - self.router.now())

    def seat(self, model: Model) -> AbstractAsyncContextManager[None]:
        """Have a seat with its provider, once one is free.

        Raises:
            Overloaded: too much is asked of its provider.
        """
        seats = self.router.seats.get(model.provider)
        return seats.seat() if seats else _UNBOUNDED

    def succeeded(self, model: Model, took_s: float) -> tuple[Attempt, ...]:
        """The model answered; gives all attempts."""
        self.router.succeeded(model.id)
        self.made.append(attempt(model, "ok", took_s))
        return tuple(self.made)

    def failed(self, model: Model, error: GatewayError, took_s: float) -> None:
        """The model did not answer; `next` says whether any other one is asked."""
        self.router.failed(model, error)
        self.made.append(attempt(model, error.code, took_s))
        self._last = error
        if not error.falls_back:
            self._left, self._again = {}, {}
        elif may_be_tried_again(error):
            self._again[model.id] = model

    def hedged_away(self, model: Model, took_s: float) -> None:
        """The model was stopped, as another one brought something first; that says nothing of its health."""
        self.made.append(attempt(model, HEDGED_AWAY, took_s))

    def again(self, model: Model) -> None:
        """The model is asked once more at once, and otherwise."""
        self._left[model.id] = model

    def passes_over(self, error: GatewayError) -> bool:
        """Whether it is only this model that cannot take the request, while the others were unlucky."""
        return isinstance(error, Rejected) and any(it.status != HEDGED_AWAY for it in self.made)

    def passed_over(self, model: Model, error: GatewayError) -> None:
        """The model cannot take the request, which others can."""
        self.made.append(attempt(model, error.code, 0))

    def _ready(self) -> Model | None:
        """Of the first tier in which one is left that is healthy and has room, or else is healthy, the least busy."""
        for tier in self.candidates.tiers:
            healthy = self._healthy(tier)
            if len(healthy) == 1:
                return healthy[0]
            if healthy:
                return self._least_busy([it for it in healthy if self.router.has_room(it)] or healthy)
        return None

    def _healthy(self, tier: tuple[Model, ...]) -> list[Model]:
        """Those of a tier that are left and may be asked now."""
        now = self.router.now()
        return [it for it in tier if it.id in self._left and self.router.health(it).rests_until <= now]

    def _least_busy(self, models: list[Model]) -> Model:
        asked = self.candidates.asked
        return min(models, key=lambda it: (self.router.load(asked, it), self.router.chance()))

    def _taken(self, model: Model) -> Model:
        self._left.pop(model.id, None)
        self._again.pop(model.id, None)
        return model

    def _resting(self, model: Model, wait_s: float) -> GatewayError:
        if self.router.health(model).limited:
            return ProviderRateLimited(
                detail=f"Provider {model.provider!r} asked to be left in peace for {wait_s:.0f} s.",
                retry_after_s=wait_s,
            )
        return ProviderUnavailable(
            detail=f"Model {model.id!r} of provider {model.provider!r} failed {self.router.health(model).failures} "
            f"times in a row, and is asked again in {wait_s:.0f} s.",
            retry_after_s=wait_s,
        )
