"""Read sessions: one's own, or as an auditor everybody's."""

from collections.abc import AsyncGenerator, Sequence

from attrs import define

from ..domain.access import Principal, Scope
from ..domain.audit import ReadKind
from ..domain.errors import NotFound
from ..domain.session import HeldState, Session
from .audit_trail import ReadRecorder, RecordedRead
from .follow import follow
from .ports import RecordedEvent, SessionStore, Verification


@define(kw_only=True)
class Reads:
    """What can be read of sessions. An auditor's read is recorded before it is answered, and so is every audit.

    To whoever neither owns a session nor audits, it is not there.
    """

    store: SessionStore
    recorder: ReadRecorder

    async def get(
        self,
        session_id: str,
        principal: Principal,
        request_id: str,
        what: ReadKind = ReadKind.SESSION,
        *,
        at_version: int | None = None,
    ) -> Session:
        """A session as it is, or as it was at a version.

        Raises:
            NotFound: no such session, or no such version.
            SessionErased: it was erased.
        """
        owner = await self._owner(session_id, principal)
        session = await self.store.load(session_id, at_version=at_version)
        await self._record(what, principal, request_id, session_id, owner, version=at_version)
        return session

    async def history(
        self, session_id: str, principal: Principal, request_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[RecordedEvent]:
        """The events as they were recorded, from the version following `after` on.

        Raises:
            NotFound: no such session.
            SessionErased: it was erased.
        """
        owner = await self._owner(session_id, principal)
        events = await self.store.history(session_id, after=after, limit=limit)
        await self._record(ReadKind.EVENTS, principal, request_id, session_id, owner, after=after, limit=limit)
        return events

    async def follow(
        self, session_id: str, principal: Principal, request_id: str, *, after: int, idle_s: float
    ) -> AsyncGenerator[Sequence[RecordedEvent], None]:
        """The events after version `after`, then those that come; see `follow`. Recorded once, at the beginning.

        Raises:
            NotFound: no such session.
        """
        owner = await self._owner(session_id, principal)
        await self._record(ReadKind.EVENTS, principal, request_id, session_id, owner, after=after, live="true")
        return follow(self.store, session_id, after=after, idle_s=idle_s)

    async def verify(self, session_id: str, principal: Principal, request_id: str) -> Verification:
        """Whether the stored events are those that were recorded, all and in their order; those of an erased one too.

        Raises:
            NotFound: no such session.
        """
        owner = await self._owner(session_id, principal)
        found = await self.store.verify(session_id)
        await self._record(ReadKind.VERIFY, principal, request_id, session_id, owner)
        return found

    async def state_tokens(
        self, session_id: str, principal: Principal, request_id: str, *, revealed: bool
    ) -> Sequence[HeldState]:
        """What the session's state tokens stand for; `revealed`, to be shown with the tokens, which are secrets.

        Raises:
            InsufficientScope: they may not see tokens.
            NotFound: no such session.
            SessionErased: it was erased, and its tokens with it.
        """
        if revealed:
            principal.require(Scope.AUDIT_TOKENS)
        owner = await self._owner(session_id, principal)
        states = await self.store.states(session_id)
        if revealed:
            await self._record(ReadKind.STATE_TOKENS, principal, request_id, session_id, owner)
        else:
            await self._record(ReadKind.SESSION, principal, request_id, session_id, owner, state_tokens="described")
        return states

    async def trail(
        self, principal: Principal, request_id: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[RecordedRead]:
        """The reads that were recorded, this one too, from the number following `after` on.

        Raises:
            InsufficientScope: they are no auditor.
        """
        principal.require(Scope.AUDIT)
        asked = {"after": after, "limit": limit}
        await self.recorder.record(ReadKind.READS, principal, request_id, asked=asked)
        return await self.recorder.trail.entries(after=after, limit=limit)

    async def _owner(self, session_id: str, principal: Principal) -> str:
        owner = await self.store.owner(session_id)
        if not principal.may_read(owner):
            raise NotFound.of("session", session_id)
        return owner

    async def _record(
        self, what: ReadKind, principal: Principal, request_id: str, session_id: str, owner: str, **asked: object
    ) -> None:
        await self.recorder.record(what, principal, request_id, session_id=session_id, owner=owner, asked=asked)
