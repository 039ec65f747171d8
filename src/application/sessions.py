"""Open sessions, look at them, and end them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import define, evolve, field, frozen

from ..domain import session as rules
from ..domain.access import Principal
from ..domain.errors import GatewayError, IdempotencyInProgress, StoreUnavailable, VersionConflict
from ..domain.idempotency import IdempotencyKey, KeyUse
from ..domain.model import Modality
from ..domain.session import ContextPolicy, Session, SessionEvent, SessionOpened
from .catalog import Catalog
from .erasure import Eraser
from .ports import (
    Clock,
    Erasure,
    IdFactory,
    Provenance,
    SessionPage,
    SessionQuery,
    SessionStore,
)
from .recall import used
from .turns import SessionLocks, load_owned, to_its_end


@frozen(kw_only=True)
class OpenSession:
    """A session to open; `instructions` are the system message of its every turn.

    One that is `continued_from` another has that one's instructions, defaults and context policy where it names none.
    """

    title: str | None = None
    instructions: str | None = None
    defaults: Mapping[Modality, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    context: ContextPolicy | None = None
    continued_from: str | None = None
    idempotency: IdempotencyKey | None = None


@frozen
class Sweep:
    """What became of the turns whose process is gone, by session."""

    ended: tuple[str, ...]
    unreadable: tuple[tuple[str, GatewayError], ...]


@define(kw_only=True)
class Sessions:
    """The life of sessions, other than their turns. Whoever did not open a session does not learn that it exists."""

    store: SessionStore
    eraser: Eraser
    catalog: Catalog
    locks: SessionLocks
    clock: Clock
    new_id: IdFactory

    async def open(self, command: OpenSession, principal: Principal, request_id: str) -> Session:
        """Open a session, or give the one that was opened by the same request before, as it was then.

        Raises:
            Rejected: a default names no model of its modality, or the idempotency key was used for something else.
            NotFound: there is no session to continue.
            SessionBusy: the session to continue has a turn that did not end in time.
        """
        if key := command.idempotency:
            if use := await used(self.store, principal, key):
                return await self.get(use.session_id, principal, at_version=1)
            try:
                return await self._open_new(command, principal, request_id)
            except IdempotencyInProgress:  # the same request, sent twice at once: the other one was first
                return await self.open(command, principal, request_id)
        return await self._open_new(command, principal, request_id)

    async def _open_new(self, command: OpenSession, principal: Principal, request_id: str) -> Session:
        new = Session(id=self.new_id("ses"))
        key_use = (
            KeyUse(owner=principal.id, key=command.idempotency, session_id=new.id) if command.idempotency else None
        )
        defaults = await self._resolved(command.defaults, principal)
        if command.continued_from is None:
            opened = self._opened(command, defaults, principal)
            provenance = _provenance(principal, request_id)
            return await to_its_end(self.store.append(new, (opened,), provenance, key_use=key_use))
        async with self.locks.hold(command.continued_from, principal.id):
            before = await self.get(command.continued_from, principal)
            opened = evolve(
                self._opened(command, defaults or before.defaults, principal),
                instructions=command.instructions if command.instructions is not None else before.instructions,
                context=command.context or before.context,
            )
            provenance = _provenance(principal, request_id)
            return await self._open_beside(before, new, opened, rules.tell_continuation, provenance, key_use=key_use)

    async def fork(
        self, session_id: str, principal: Principal, request_id: str, version: int | None, at_version: int | None
    ) -> Session:
        """Open a copy of a session as it is, or as it was at a version; the original goes on as it was.

        Raises:
            NotFound: no such session, or no such version.
            SessionBusy: a turn of it did not end in time.
            VersionConflict: the session is not at `version`.
        """
        async with self.locks.hold(session_id, principal.id):
            session = await self.get(session_id, principal)
            rules.expect_version(session, version)
            then = session if at_version is None else await self.get(session_id, principal, at_version=at_version)
            (opened,) = rules.fork(then, at=self.clock())
            provenance = _provenance(principal, request_id)
            return await self._open_beside(session, Session(id=self.new_id("ses")), opened, rules.tell_fork, provenance)

    async def change(
        self, session_id: str, changes: rules.Changes, principal: Principal, request_id: str, version: int | None
    ) -> Session:
        """Change what a session is called and how it goes on.

        Raises:
            NotFound, SessionClosed, SessionBusy: as they say.
            Rejected: a default names no model of its modality.
            VersionConflict: the session is not at `version`.
        """
        if changes.defaults is not None:
            changes = evolve(changes, defaults=await self._resolved(changes.defaults, principal))

        def decide(session: Session, *, at: datetime) -> Sequence[SessionEvent]:
            return rules.change(session, changes, at=at)

        return await self._change(session_id, principal, request_id, version, decide)

    async def find(self, query: SessionQuery) -> SessionPage:
        """The owner's sessions that match, last active first."""
        return await self.store.find(query)

    async def get(self, session_id: str, principal: Principal, *, at_version: int | None = None) -> Session:
        """A session as it is, or as it was at a version.

        Raises:
            NotFound: no such session, or no such version.
            SessionErased: it was erased.
        """
        return await load_owned(self.store, session_id, principal.id, at_version=at_version)

    async def reset(self, session_id: str, principal: Principal, request_id: str, version: int | None) -> Session:
        """Start a new context; the history stays.

        Raises:
            NotFound, SessionClosed, SessionBusy: as they say.
            VersionConflict: the session is not at `version`.
        """
        return await self._change(session_id, principal, request_id, version, rules.reset)

    async def close(self, session_id: str, principal: Principal, request_id: str, version: int | None) -> Session:
        """Take no more turns; closing twice is the same as once.

        Raises:
            NotFound, SessionBusy: as they say.
            VersionConflict: the session is not at `version`.
        """
        return await self._change(session_id, principal, request_id, version, rules.close)

    async def archive(self, session_id: str, principal: Principal, request_id: str, version: int | None) -> Session:
        """Take no more turns and put the session away; archiving twice is the same as once.

        Raises:
            NotFound, SessionBusy: as they say.
            VersionConflict: the session is not at `version`.
        """
        return await self._change(session_id, principal, request_id, version, rules.archive)

    async def hold(
        self, session_id: str, reason: str, principal: Principal, request_id: str, version: int | None
    ) -> Session:
        """Let nobody erase the session until it is released; holding it for the same reason twice is the same as once.

        Raises:
            NotFound, SessionErased, SessionBusy: as they say.
            VersionConflict: the session is not at `version`.
        """

        def decide(session: Session, *, at: datetime) -> Sequence[SessionEvent]:
            return rules.hold(session, reason, at=at)

        return await self._change(session_id, principal, request_id, version, decide)

    async def release(self, session_id: str, principal: Principal, request_id: str, version: int | None) -> Session:
        """Let the session be erased again; releasing one that nobody holds changes nothing.

        Raises:
            NotFound, SessionErased, SessionBusy: as they say.
            VersionConflict: the session is not at `version`.
        """
        return await self._change(session_id, principal, request_id, version, rules.release)

    async def erase(self, session_id: str, principal: Principal, request_id: str, version: int | None) -> Erasure:
        """Destroy a session's content for ever. That it was there, and who did what when, stays for the audit.

        Raises:
            NotFound, SessionErased, SessionBusy, SessionOnHold: as they say.
            VersionConflict: the session is not at `version`.
        """
        async with self.locks.hold(session_id, principal.id):
            session = await self.get(session_id, principal)
            rules.expect_version(session, version)
            (erased,) = rules.erase(session, at=self.clock())
            return await self.eraser.erase(session, erased, _provenance(principal, request_id))

    async def end_interrupted_turns(self) -> Sweep:
        """End the turns whose process is gone; to be called before the first request, and from time to time.

        A session that cannot be read is told of and stays as it is. One that has moved on meanwhile needs nothing:
        another process was quicker, or the turn has ended after all.
        """
        ended, unreadable = [], []
        for session_id in await self.store.active():
            try:
                session = await self.store.load(session_id)
                if session.active_turn:
                    await self._interrupt(session)
                    ended.append(session_id)
            except VersionConflict:
                continue
            except StoreUnavailable:
                raise
            except GatewayError as error:
                unreadable.append((session_id, error))
        return Sweep(tuple(ended), tuple(unreadable))

    async def _interrupt(self, session: Session) -> None:
        cause = rules.event_id(session.id, session.active_turn.version) if session.active_turn else None
        provenance = Provenance(actor="system", method="sweep", request_id="sweep", causation_id=cause)
        await to_its_end(self.store.append(session, rules.interrupt(session, at=self.clock()), provenance))

    async def _change(
        self, session_id: str, principal: Principal, request_id: str, version: int | None, decide: "Decide"
    ) -> Session:
        async with self.locks.hold(session_id, principal.id):
            session = await self.get(session_id, principal)
            rules.expect_version(session, version)
            events = decide(session, at=self.clock())
            if not events:
                return session
            return await to_its_end(self.store.append(session, events, _provenance(principal, request_id)))

    async def _open_beside(
        self,
        session: Session,
        new: Session,
        opened: SessionOpened,
        tell: "Tell",
        provenance: Provenance,
        *,
        key_use: KeyUse | None = None,
    ) -> Session:
        """Open a session, and record in the one that it came from that it did; neither if that one is busy."""
        told = tell(session, rules.apply(new, opened), at=self.clock())

        origin = opened.forked_from.version if opened.forked_from else session.version
        begun = evolve(provenance, causation_id=rules.event_id(session.id, origin))
        noted = evolve(provenance, causation_id=rules.event_id(new.id, 1))

        async def both() -> Session:
            made = await self.store.append(new, (opened,), begun, key_use=key_use)
            await self.store.append(session, told, noted)
            return made

        return await to_its_end(both())

    def _opened(self, command: OpenSession, defaults: Mapping[Modality, str], principal: Principal) -> SessionOpened:
        return SessionOpened(
            owner=principal.id,
            title=command.title,
            instructions=command.instructions,
            defaults=defaults,
            metadata=command.metadata,
            context=command.context or ContextPolicy(),
            continued_from=command.continued_from,
            at=self.clock(),
        )

    async def _resolved(self, defaults: Mapping[Modality, str], principal: Principal) -> dict[Modality, str]:
        return {
            modality: (await self.catalog.resolve_for(principal, name, modality)).id
            for modality, name in defaults.items()
        }


class Decide(Protocol):
    """A decision of the domain, ready to be made."""

    def __call__(self, session: Session, *, at: datetime) -> Sequence[SessionEvent]:
        """The events to append."""


class Tell(Protocol):
    """What a session is told of another one that began beside it."""

    def __call__(self, session: Session, other: Session, /, *, at: datetime) -> Sequence[SessionEvent]:
        """The events to append."""


def _provenance(principal: Principal, request_id: str) -> Provenance:
    return Provenance(actor=principal.id, method=principal.method, request_id=request_id)
