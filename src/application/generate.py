"""Generate something, alone or as a turn of a session."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import reduce

from attrs import define, evolve

from ..domain import session as rules
from ..domain.access import Principal
from ..domain.crossing import begins_with_a_picture, brief, retold
from ..domain.errors import InvalidRequest
from ..domain.generation import ArtifactPart, Message, Role, text_message
from ..domain.model import Modality, Model
from ..domain.parameters import ImageParameters, TextParameters, given
from ..domain.session import AUTO, HeldState, Session, SessionEvent
from .catalog import Catalog, require_honoured
from .command import GenerateCommand
from .media import Media
from .ports import Clock, Generator, IdFactory, Provenance
from .recall import RecalledGeneration, recall
from .running import RunningGeneration
from .state_tokens import Start, StateTokens, selector_of
from .turns import SessionTurns

LONG = 200
"""Turns that are put together between two other requests without these noticing: some 5 ms at the most."""


@define(kw_only=True)
class Generate:
    """The main job. `generators` are the backends by provider name."""

    catalog: Catalog
    generators: Mapping[str, Generator]
    turns: SessionTurns
    states: StateTokens
    media: Media
    clock: Clock
    new_id: IdFactory

    @asynccontextmanager
    async def begin(
        self, command: GenerateCommand, principal: Principal, request_id: str
    ) -> "AsyncIterator[RunningGeneration | RecalledGeneration]":
        """Check everything, store the turn's beginning, and give the running generation.

        Leaving the context ends the work, whatever state it is in. Where the idempotency key stands for a turn that
        ended well, it is that one's generation that is given.

        Raises:
            Rejected, NotFound, Conflict: the request cannot be served; nothing was generated.
        """
        if command.modality is not Modality.TEXT or _names_files(command.messages):
            session_id = command.session_id
            messages = await self.media.taken_in(command.messages, command.modality, principal, session_id)
            command = evolve(command, messages=messages)
        if command.session_id is None and command.state_token is None:
            async with self._alone(command, principal) as alone:
                yield alone
            return
        wanted = await self._wanted_state(command, principal)
        if isinstance(wanted, HeldState):
            command = evolve(command, session_id=wanted.session_id)
        session_id, key_use = command.session_id or "", None
        if command.idempotency:
            recalled = await recall(self.turns.store, self.states, principal, command.idempotency, session_id)
            if isinstance(recalled, RecalledGeneration):
                yield await self._delivered(recalled, command, principal)
                return
            key_use = recalled
        running = self._running(command, principal)

        async def decide(session: Session) -> Sequence[SessionEvent]:
            rules.expect_version(session, command.session_version)
            selector = command.model or selector_of(wanted) or session.defaults.get(command.modality)
            after = wanted.turn if isinstance(wanted, HeldState) else None
            context = await _context(session, command.messages, after)
            model = await self._model(selector, command, context)
            start = await self.states.start(session, wanted, model, self.clock())
            self._prepare(running, model, context, start)
            events = rules.request_turn(
                session,
                generation_id=running.id,
                modality=command.modality,
                model=model.id,
                messages=command.messages,
                parameters=given(command.parameters),
                metadata=command.metadata,
                at=running.created_at,
                continues=start.after,
                max_events=self.turns.max_events,
            )
            if start.fell_back and start.state_of:
                begun = reduce(rules.apply, events, session)
                events += rules.fall_back(begun, state_of=start.state_of, code=start.fell_back, at=running.created_at)
            return events

        provenance = Provenance(actor=principal.id, method=principal.method, request_id=request_id)
        async with self.turns.begin(session_id, provenance, decide, key_use) as turn:
            running.turn = turn
            async with running.files():
                yield running

    @asynccontextmanager
    async def _alone(self, command: GenerateCommand, principal: Principal) -> AsyncIterator[RunningGeneration]:
        if command.idempotency:
            raise InvalidRequest.at("/headers/Idempotency-Key", "needs a session_id: only turns are answered again")
        model = await self._model(command.model, command, ())
        running = self._running(command, principal)
        self._prepare(running, model, (), Start())
        async with running.files():
            yield running

    async def _delivered(
        self, recalled: RecalledGeneration, command: GenerateCommand, principal: Principal
    ) -> RecalledGeneration:
        """The first answer with its files as this request wants them: links of the first one may have expired."""
        files = await self.media.delivered(recalled.generation.result, principal, command.delivery)
        return RecalledGeneration(evolve(recalled.generation, files=files))

    def _running(self, command: GenerateCommand, principal: Principal) -> RunningGeneration:
        return RunningGeneration(
            id=self.new_id("gen"),
            command=command,
            principal=principal,
            clock=self.clock,
            states=self.states,
            media=self.media,
        )

    async def _model(self, selector: str | None, command: GenerateCommand, context: Sequence[Message]) -> Model:
        pictured = begins_with_a_picture(context, command.messages, command.modality)
        model = await self.catalog.resolve(selector, command.modality, pictured=pictured)
        require_honoured(model, command.parameters)
        self.catalog.used(model, self.clock())
        return model

    def _prepare(self, running: RunningGeneration, model: Model, context: tuple[Message, ...], start: Start) -> None:
        """Settle what the model is told: a text model the conversation, any other what it can begin with."""
        command, generator = running.command, self.generators[model.provider]
        if isinstance(command.parameters, TextParameters):
            running.prepare(model, retold((*context, *command.messages), model), generator, start)
            return
        edits = isinstance(command.parameters, ImageParameters) and command.parameters.strength is not None
        told = brief(context, command.messages, model, edits=edits)
        running.prepare(model, (text_message(Role.USER, told.words),), generator, start, told.pictures)

    async def _wanted_state(self, command: GenerateCommand, principal: Principal) -> HeldState | str | None:
        if command.state_token == AUTO and command.session_id is None:
            raise InvalidRequest.at("/state_token", f"{AUTO!r} needs a session_id: it means the session's newest state")
        if command.state_token in (None, AUTO):
            return command.state_token
        return await self.states.find(command.state_token, principal, command.session_id)


def _names_files(messages: Sequence[Message]) -> bool:
    return any(isinstance(part, ArtifactPart) for message in messages for part in message.parts)


async def _context(session: Session, messages: tuple[Message, ...], after: int | None) -> tuple[Message, ...]:
    """What the request is told. Of a long session on a thread: its old turns are decoded when they are looked at."""
    if len(session.turns) < LONG:
        return rules.context(session, messages, after=after)
    return await asyncio.to_thread(rules.context, session, messages, after=after)


Answer = RunningGeneration | RecalledGeneration
"""Where a generation comes from: it is made now, or it was made before."""
