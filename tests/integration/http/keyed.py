"""The HTTP application with keys, and those who have them."""

from contextlib import asynccontextmanager
from datetime import timedelta

from pluggably.adapters.system import now
from pluggably.application.keys import NewKey
from pluggably.domain.access import LOCAL_OPERATOR, Scope

from .world import World, client_of

TEXT = {"model": "tiny", "input": "Hello"}
EVERYTHING = frozenset(Scope)
USER = frozenset({Scope.GENERATE, Scope.SESSIONS, Scope.ARTIFACTS, Scope.MODELS_READ})


class Clock:
    """The time, which can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self):
        return now() + self.ahead


async def made(world, scopes=USER, **facts) -> dict[str, str]:
    """The headers of somebody with a key."""
    shown = await world.keys.create(NewKey(name="k", scopes=frozenset(scopes), **facts), LOCAL_OPERATOR)
    return {"Authorization": f"Bearer {shown.secret}"}


@asynccontextmanager
async def guarded(generator=None, **wanted):
    world = World(generator, api_keys=True, **wanted)
    async with client_of(world.app(lifespan=world.at_work)) as http:
        yield world, http
