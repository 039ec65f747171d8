"""What routes requests, for the composition root, and what asks after models that are left in peace."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from ...application.catalog import Catalog
from ...application.routing import Router
from ...application.seats import Seats
from ...domain.errors import GatewayError
from ...domain.routing import BreakerPolicy, RetryPolicy, Route
from ..settings import Settings
from ..upkeep.periodic import repeated

_log = structlog.get_logger()


def routes(settings: Settings) -> dict[str, Route]:
    """The routes by their names."""
    return {
        it.name: Route(
            name=it.name,
            tiers=tuple((models,) if isinstance(models, str) else tuple(models) for models in it.models),
            weights=it.weights,
            hedge_after_s=it.hedge_after_ms / 1000 if it.hedge_after_ms else None,
        )
        for it in settings.routes
    }


def router(settings: Settings, catalog: Catalog) -> Router:
    """What finds the models that answer."""
    wanted = settings.routing
    return Router(
        catalog=catalog,
        routes=routes(settings),
        retries=RetryPolicy(attempts=wanted.attempts, deadline_s=wanted.deadline_s, patience_s=wanted.patience_s),
        breaker=BreakerPolicy(failures=wanted.failures, cooldown_s=wanted.cooldown_s),
        seats={it.name: Seats(it.name, it.max_concurrent) for it in settings.providers if it.max_concurrent},
    )


@asynccontextmanager
async def being_looked_after(router: Router, remotes: Mapping[str, Any], every_s: float) -> AsyncIterator[None]:
    """Ask the providers of models that are left in peace whether they are well, until the context is left.

    Those that can be asked have a method `probe`, which raises GatewayError if they are not.
    """

    async def look() -> None:
        for model_id in router.left_in_peace():
            try:
                model = await router.catalog.get(model_id)
                probe = getattr(remotes.get(model.provider), "probe", None)
                if probe:
                    await probe()
                    router.well(model_id)
                    _log.info("model.well", model=model_id)
            except GatewayError as error:
                _log.info("model.unwell", model=model_id, code=error.code)

    if not every_s:
        yield
        return
    async with repeated(look, every_s, failed="health.failed"):
        yield
