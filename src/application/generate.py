"""Generate something, alone or as a turn of a session."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import reduce

from attrs import define, evolve

from ..domain import session as rules
from ..domain.access import Principal
from ..domain.crossing import begins_with_a_picture
from ..domain.errors import InvalidRequest
from ..domain.generation import Message
from ..domain.idempotency import KeyUse
from ..domain.model import Model
from ..domain.parameters import given
from ..domain.session import AUTO, HeldState, Session, SessionEvent
from .command import GenerateCommand
from .media import Media, TakenIn
from .metering import Metering
from .ports import Clock, Generator, IdFactory, Provenance
from .recall import RecalledGeneration, recall
from .routing import Candidates, Router
from .running import RunningGeneration
from .state_tokens import Start, StateTokens, selector_of
from .telemetry import Observer
from .told import Told
from .tracing import Tracer
from .turns import SessionTurns, load_owned

LONG = 200
"""Turns that are put together between two other requests without these noticing: some 5 ms at the most."""


@define(kw_only=True)
class Generate:
    """The main job. `generators` are the backends by provider name."""

    router: Router
    generators: Mapping[str, Generator]
    turns: SessionTurns
    states: StateTokens
    media: Media
    metering: Metering
    observer: Observer
    tracer: Tracer
    clock: Clock
    new_id: IdFactory

    def begin(
        self,
        command: GenerateCommand,
        principal: Principal,
        request_id: str,
        *,
        generation_id: str | None = None,
        when_begun: Callable[[], Awaitable[None]] | None = None,
    ) -> "AbstractAsyncContextManager[RunningGeneration | RecalledGeneration]":
        """Check everything, store the turn's beginning, and give the running generation.

        Leaving the context ends the work, whatever state it is in. Where the idempotency key stands for a turn that
        ended well, it is that one's generation that is given. `when_begun` is awaited once the backend has begun.

        Raises:
            Rejected, NotFound, Conflict: when it is entered: the request cannot be served; nothing was generated.
        """
        running = RunningGeneration(
            id=generation_id or self.new_id("gen"),
            command=command,
            principal=principal,
            clock=self.clock,
            states=self.states,
            media=self.media,
            router=self.router,
            generators=self.generators,
            observer=self.observer,
            tracer=self.tracer,
            when_begun=when_begun,
        )
        if command.session_id is None and command.state_token is None:
            return self._alone(running)
        return self._in_session(running, Provenance(actor=principal.id, method=principal.method, request_id=request_id))

    async def check(self, command: GenerateCommand, principal: Principal) -> tuple[GenerateCommand, Model]:
        """Look whether it could begin now; give it as it can begin later, with its session and its model named.

        What a turn shows is kept, as with `begin`; what belongs to no session is taken in when it begins.

        Raises:
            Rejected, NotFound, Conflict: as `begin`.
        """
        wanted = await self._wanted_state(command, principal)
        session_id = wanted.session_id if isinstance(wanted, HeldState) else command.session_id
        async with self.media.taken_in(command.messages, command.modality, principal, session_id) as taken:
            shown = evolve(command, messages=taken.messages)
            if session_id is None:
                candidates = await self._candidates(command.model, shown, (), principal)
                Told(shown).to(candidates.lead)
                return evolve(command, model=candidates.asked.id), candidates.asked
            session = await load_owned(self.turns.store, session_id, principal.id)
            rules.expect_open(session)
            candidates, context = await self._settled(session, shown, wanted, principal)
            Told(shown, context).to(candidates.lead)
            taken.named_by_a_turn = True
            asked = candidates.asked
            return evolve(shown, session_id=session_id, session_version=None, model=asked.id), asked

    async def _settled(
        self, session: Session, command: GenerateCommand, wanted: HeldState | str | None, principal: Principal
    ) -> tuple[Candidates, tuple[Message, ...]]:
        """The models that may answer, and what they are told of the session."""
        rules.expect_version(session, command.session_version)
        selector = command.model or selector_of(wanted) or session.defaults.get(command.modality)
        after = wanted.turn if isinstance(wanted, HeldState) else None
        context = await _context(session, command.messages, after)
        return await self._candidates(selector, command, context, principal), context

    @asynccontextmanager
    async def _in_session(
        self, running: RunningGeneration, provenance: Provenance
    ) -> AsyncIterator[RunningGeneration | RecalledGeneration]:
        command, principal = running.command, running.principal
        wanted = await self._wanted_state(command, principal)
        if isinstance(wanted, HeldState):
            running.command = command = evolve(command, session_id=wanted.session_id)
        key_use = None
        if command.idempotency:
            session_id = command.session_id or ""
            recalled = await recall(self.turns.store, self.states, principal, command.idempotency, session_id)
            if isinstance(recalled, RecalledGeneration):
                yield await self._delivered(recalled, command, principal)
                return
            key_use = recalled
        async with self._as_turn(running, wanted, provenance, key_use):
            yield running

    @asynccontextmanager
    async def _as_turn(
        self,
        running: RunningGeneration,
        wanted: HeldState | str | None,
        provenance: Provenance,
        key_use: KeyUse | None,
    ) -> AsyncIterator[None]:
        command, session_id = running.command, running.command.session_id or ""

        async def decide(session: Session) -> Sequence[SessionEvent]:
            candidates, context = await self._settled(session, running.command, wanted, running.principal)
            start = await self.states.start(session, wanted, candidates.lead, self.clock())
            if start.backend:  # which only that one understands
                candidates = evolve(candidates, tiers=((candidates.lead,),))
            running.settle(candidates, Told(running.command, context), start)
            events = rules.request_turn(
                session,
                generation_id=running.id,
                modality=command.modality,
                model=candidates.asked.id,
                messages=taken.messages,
                parameters=given(command.parameters),
                metadata=command.metadata,
                at=running.created_at,
                continues=start.after,
                max_events=self.turns.max_events,
            )
            if start.fell_back and start.state_of:
                begun = reduce(rules.apply, events, session)
                events += rules.fall_back(begun, state_of=start.state_of, code=start.fell_back, at=running.created_at)
            taken.named_by_a_turn = True  # or may be, from here on
            return events

        async with (
            self.metering.admitted(running),
            self.media.taken_in(command.messages, command.modality, running.principal, session_id) as taken,
        ):
            running.command = _showing(taken, command)
            try:
                async with self.turns.begin(session_id, provenance, decide, key_use) as turn:
                    running.turn = turn
                    yield
            finally:
                await running.discard_unanswered()

    @asynccontextmanager
    async def _alone(self, running: RunningGeneration) -> AsyncIterator[RunningGeneration]:
        command = running.command
        if command.idempotency:
            raise InvalidRequest.at("/headers/Idempotency-Key", "needs a session_id: only turns are answered again")
        async with (
            self.metering.admitted(running),
            self.media.taken_in(command.messages, command.modality, running.principal, None) as taken,
        ):
            running.command = _showing(taken, command)
            candidates = await self._candidates(command.model, running.command, (), running.principal)
            running.settle(candidates, Told(running.command), Start())
            try:
                yield running
            finally:
                await running.discard_unanswered()

    async def _delivered(
        self, recalled: RecalledGeneration, command: GenerateCommand, principal: Principal
    ) -> RecalledGeneration:
        """The first answer with its files as this request wants them: links of the first one may have expired."""
        kept = await self.media.kept(recalled.generation.result, principal)
        files = await self.media.delivered(kept, command.delivery)
        return RecalledGeneration(evolve(recalled.generation, files=files))

    async def _candidates(
        self, selector: str | None, command: GenerateCommand, context: Sequence[Message], principal: Principal
    ) -> Candidates:
        pictured = begins_with_a_picture(context, command.messages, command.modality)
        return await self.router.candidates(
            selector, command.modality, command.parameters, principal=principal, pictured=pictured
        )

    async def _wanted_state(self, command: GenerateCommand, principal: Principal) -> HeldState | str | None:
        if command.state_token == AUTO and command.session_id is None:
            raise InvalidRequest.at("/state_token", f"{AUTO!r} needs a session_id: it means the session's newest state")
        if command.state_token in (None, AUTO):
            return command.state_token
        return await self.states.find(command.state_token, principal, command.session_id)


def _showing(taken: TakenIn, command: GenerateCommand) -> GenerateCommand:
    return command if taken.messages is command.messages else evolve(command, messages=taken.messages)


async def _context(session: Session, messages: tuple[Message, ...], after: int | None) -> tuple[Message, ...]:
    """What the request is told. Of a long session on a thread: its old turns are decoded when they are looked at."""
    if len(session.turns) < LONG:
        return rules.context(session, messages, after=after)
    return await asyncio.to_thread(rules.context, session, messages, after=after)


Answer = RunningGeneration | RecalledGeneration
"""Where a generation comes from: it is made now, or it was made before."""
