"""One principal among several on a store: everything that it can do with sessions, and what it is told then."""

import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from attrs import evolve

from pluggably.adapters.audit.exporters import FORMATS
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.memory.access import MemoryMeter
from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.system import new_state_token
from pluggably.application.audit import Exports
from pluggably.application.audit_trail import ReadRecorder
from pluggably.application.catalog import Catalog
from pluggably.application.generate import Generate, GenerateCommand
from pluggably.application.metering import Metering
from pluggably.application.ports import Erasure, RecordedEvent, SessionQuery, SessionStore, Verification
from pluggably.application.reads import Reads
from pluggably.application.routing import Router
from pluggably.application.sessions import OpenSession, Sessions
from pluggably.application.state_tokens import StateTokens
from pluggably.application.telemetry import Unobserved
from pluggably.application.tracing import Untraced
from pluggably.application.turns import SessionLocks, SessionTurns
from pluggably.domain.access import Principal
from pluggably.domain.errors import GatewayError
from pluggably.domain.generation import Generation, GenerationRequest, Role, text_message
from pluggably.domain.idempotency import IdempotencyKey
from pluggably.domain.model import Modality
from pluggably.domain.parameters import TextParameters
from pluggably.domain.session import Changes, Session
from tests.artifact_world import ArtifactWorld, an_eraser

from ...session_builders import NOON


class Tenant:
    """Its ids count up, its time stands still, and its model repeats all that it is told."""

    def __init__(self, name: str, store: SessionStore, locks: SessionLocks, catalog: Catalog, folder: Path) -> None:
        """`catalog` has the model `tiny`; `folder` is for the key that exports are signed with."""
        self._me, self._store = Principal(id=name, method="api_key"), store
        self._numbers: dict[str, itertools.count] = defaultdict(itertools.count)
        self.generator = ScriptedGenerator(answer=_repeat)
        turns = SessionTurns(store=store, clock=_noon, locks=locks)
        generators, states = {"local": self.generator}, StateTokens(store=store, new_token=new_state_token)
        eraser = an_eraser(store, generators)
        self._sessions = Sessions(
            store=store, eraser=eraser, catalog=catalog, locks=locks, clock=_noon, new_id=self._new_id
        )
        self._generate = Generate(
            router=Router(catalog=catalog),
            generators=generators,
            turns=turns,
            states=states,
            media=ArtifactWorld(folder).media,
            metering=Metering(meter=MemoryMeter(), clock=_noon),
            observer=Unobserved(),
            tracer=Untraced(),
            clock=_noon,
            new_id=self._new_id,
        )
        recorder = ReadRecorder(trail=store.trail, clock=_noon)
        self._reads = Reads(store=store, recorder=recorder)
        self._exports = Exports(
            archive=store, recorder=recorder, signer=SigningKey(folder), formats=FORMATS, clock=_noon
        )

    async def does(self, verb: str, session_id: str = "", number: int = 0) -> object:
        """Do something, to a session where the verb is about one.

        `number` is the version or the key that the verb has to do with; key 0 is none.

        Returns:
            What it is told, without what differs from run to run, such as hashes and milliseconds.
        """
        try:
            return _lasting(await VERBS[verb](self, session_id, number))
        except GatewayError as error:
            return type(error).__name__, str(error)

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._me.id}_{next(self._numbers[kind])}"

    def _key(self, number: int) -> IdempotencyKey | None:
        return IdempotencyKey(key=f"key {number}", fingerprint="the same") if number else None

    async def _open(self, number: int, continued_from: str | None = None) -> Session:
        wanted = OpenSession(
            title=f"A title of {self._me.id}",
            metadata={"team": "red"},
            continued_from=continued_from,
            idempotency=self._key(number),
        )
        return await self._sessions.open(wanted, self._me, "req")

    async def _ask(self, session_id: str, number: int) -> Generation:
        wanted = GenerateCommand(
            modality=Modality.TEXT,
            messages=(text_message(Role.USER, f"A question of {self._me.id}"),),
            parameters=TextParameters(),
            model="tiny",
            session_id=session_id,
            idempotency=self._key(number),
        )
        async with self._generate.begin(wanted, self._me, "req") as generation:
            return await generation.result()

    async def _follow(self, session_id: str, number: int) -> Sequence[RecordedEvent]:
        return await anext(await self._reads.follow(session_id, self._me, "req", after=number, idle_s=60))

    async def _export(self, session_id: str) -> bytes:
        return b"".join([piece async for piece in await self._exports.export(session_id, self._me, "req", "jsonl")])

    async def _change(self, session_id: str) -> Session:
        return await self._sessions.change(session_id, Changes(title="Changed"), self._me, "req", None)


VERBS: dict[str, Callable[[Tenant, str, int], Awaitable[object]]] = {
    "list": lambda it, _, __: it._sessions.find(SessionQuery(owner=it._me.id)),
    "list by metadata": lambda it, _, __: it._sessions.find(SessionQuery(owner=it._me.id, metadata={"team": "red"})),
    "open": lambda it, _, key: it._open(key),
    "continue": lambda it, session_id, key: it._open(key, session_id),
    "ask": lambda it, session_id, key: it._ask(session_id, key),
    "fork": lambda it, session_id, _: it._sessions.fork(session_id, it._me, "req", None, None),
    "fork at": lambda it, session_id, version: it._sessions.fork(session_id, it._me, "req", None, version),
    "get": lambda it, session_id, _: it._reads.get(session_id, it._me, "req"),
    "get at": lambda it, session_id, version: it._reads.get(session_id, it._me, "req", at_version=version),
    "history": lambda it, session_id, version: it._reads.history(session_id, it._me, "req", after=version),
    "follow": lambda it, session_id, version: it._follow(session_id, version),
    "verify": lambda it, session_id, _: it._reads.verify(session_id, it._me, "req"),
    "export": lambda it, session_id, _: it._export(session_id),
    "change": lambda it, session_id, _: it._change(session_id),
    "reset": lambda it, session_id, _: it._sessions.reset(session_id, it._me, "req", None),
    "close": lambda it, session_id, _: it._sessions.close(session_id, it._me, "req", None),
    "archive": lambda it, session_id, _: it._sessions.archive(session_id, it._me, "req", None),
    "erase": lambda it, session_id, _: it._sessions.erase(session_id, it._me, "req", None),
}
"""What a tenant can do, each with the id of a session and a number."""


def _noon():
    return NOON


def _repeat(request: GenerationRequest) -> str:
    return " / ".join(message.text for message in request.messages)


def _lasting(told: object) -> object:
    match told:
        case Session():
            told = evolve(told, turns=[evolve(turn, attempts=(), timing=None, state=None) for turn in told.turns])
        case Generation():
            told = told.id, told.result.output, told.session
        case Verification() | Erasure():
            told = evolve(told, head="")
        case bytes():
            told = "an export"
        case (RecordedEvent(), *_):
            told = [(it.session_id, it.version, type(it.event), it.provenance) for it in told]
    return told
