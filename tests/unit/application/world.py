"""The use cases over the in-memory adapters, for a client of them."""

from contextlib import asynccontextmanager
from pathlib import Path

from pluggably.adapters.memory.access import MemoryMeter
from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.memory.jobs import MemoryJobStore
from pluggably.adapters.memory.models import ListedModels
from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.system import IdSequence, new_state_token, now
from pluggably.application.catalog import Catalog
from pluggably.application.erasure import Eraser
from pluggably.application.generate import Generate, GenerateCommand
from pluggably.application.metering import Metering
from pluggably.application.routes import RouteModels
from pluggably.application.routing import Router
from pluggably.application.sessions import OpenSession, Sessions
from pluggably.application.state_tokens import StateTokens
from pluggably.application.telemetry import Unobserved
from pluggably.application.tracing import Untraced
from pluggably.application.turns import SessionLocks, SessionTurns
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.generation import Generation, Role, text_message
from pluggably.domain.model import Modality, ModelStatus
from pluggably.domain.parameters import TextParameters
from pluggably.domain.routing import RetryPolicy
from tests.artifact_world import ArtifactWorld
from tests.builders import a_model

TINY = a_model("tiny", parameters=frozenset({"max_tokens", "seed"}))
OTHER = a_model("other", parameters=frozenset({"max_tokens", "seed"}))


class Idle:
    """No model is loaded."""

    def status(self, model_id):
        return ModelStatus.AVAILABLE


class World:
    """The use cases over memory; `generator` is the scripted model `tiny`, and `other` too.

    `others` are providers with one model each, `<name>/m`; `routing` is of the router.
    """

    def __init__(
        self,
        generator: ScriptedGenerator,
        *,
        wait_s: float = 5,
        clock=now,
        folder=Path("nowhere"),
        others=(),
        **routing,
    ) -> None:
        self.generator, self.principal = generator, LOCAL_OPERATOR
        generators = {"local": generator, **dict(others)}
        remote = [a_model(f"{it}/m", provider=it, parameters=frozenset({"max_tokens", "seed"})) for it in dict(others)]
        self.store = MemorySessionStore()
        new_id, locks = IdSequence(), SessionLocks(wait_s)
        sources = [ListedModels([TINY, OTHER, *remote])]
        routes = RouteModels(routing.get("routes", {}), sources)
        catalog = Catalog(sources=[routes, *sources], runners=Idle(), defaults={Modality.TEXT: "tiny"})
        self.artifacts = ArtifactWorld(folder)
        self.jobs = MemoryJobStore()
        eraser = Eraser(store=self.store, artifacts=self.artifacts.artifacts, jobs=self.jobs, generators=generators)
        self.sessions = Sessions(
            store=self.store, eraser=eraser, catalog=catalog, locks=locks, clock=clock, new_id=new_id
        )
        self.router = Router(catalog=catalog, **({"retries": RetryPolicy(attempts=1)} | routing))
        self.generate = Generate(
            router=self.router,
            generators=generators,
            turns=SessionTurns(store=self.store, clock=clock, locks=locks),
            states=StateTokens(store=self.store, new_token=new_state_token),
            media=self.artifacts.media,
            metering=Metering(meter=MemoryMeter(), clock=clock),
            observer=Unobserved(),
            tracer=Untraced(),
            clock=clock,
            new_id=new_id,
        )

    async def open(self, **wanted) -> str:
        return (await self.sessions.open(OpenSession(**wanted), LOCAL_OPERATOR, "req")).id

    async def session(self, session_id: str):
        return await self.sessions.get(session_id, LOCAL_OPERATOR)

    @asynccontextmanager
    async def begin(self, text="Hello", principal=LOCAL_OPERATOR, **wanted):
        wanted.setdefault("parameters", TextParameters())
        command = GenerateCommand(modality=Modality.TEXT, messages=(text_message(Role.USER, text),), **wanted)
        async with self.generate.begin(command, principal, "req") as running:
            yield running

    async def ask(self, text="Hello", **wanted) -> Generation:
        async with self.begin(text, **wanted) as running:
            return await running.result()
