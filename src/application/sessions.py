"""Open sessions, look at them, and end them."""

from collections.abc import Callable, Mapping, Sequence

from attrs import define, field, frozen

from ..domain import session as rules
from ..domain.access import Principal
from ..domain.errors import GatewayError
from ..domain.model import Modality
from ..domain.session import Session, SessionEvent, SessionOpened
from .catalog import Catalog
from .ports import (
    Clock,
    IdFactory,
    Provenance,
    RecordedEvent,
    SessionPage,
    SessionQuery,
    SessionStore,
    Verification,
)
from .turns import owned, to_its_end


@frozen(kw_only=True)
class OpenSession:
    """A session to open; `instructions` are the system message of its every turn."""

    title: str | None = None
    instructions: str | None = None
    defaults: Mapping[Modality, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)


@frozen
class Sweep:
    """What became of the turns that an earlier run left behind, by session."""

    ended: tuple[str, ...]
    unreadable: tuple[tuple[str, GatewayError], ...]


@define(kw_only=True)
class Sessions:
    """The life of sessions, other than their turns. Whoever did not open a session does not learn that it exists."""

    store: SessionStore
    catalog: Catalog
    clock: Clock
    new_id: IdFactory

    async def open(self, command: OpenSession, principal: Principal, request_id: str) -> Session:
        """Open a session.

        Raises:
            Rejected: a default names no model of its modality.
        """
        defaults = {
            modality: (await self.catalog.resolve(name, modality)).id for modality, name in command.defaults.items()
        }
        opened = SessionOpened(
            owner=principal.id,
            title=command.title,
            instructions=command.instructions,
            defaults=defaults,
            metadata=command.metadata,
            at=self.clock(),
        )
        return await to_its_end(
            self.store.append(Session(id=self.new_id("ses")), (opened,), _provenance(principal, request_id))
        )

    async def find(self, query: SessionQuery) -> SessionPage:
        """The owner's sessions that match, last active first."""
        return await self.store.find(query)

    async def get(self, session_id: str, principal: Principal, *, at_version: int | None = None) -> Session:
        """A session as it is, or as it was at a version.

        Raises:
            NotFound: no such session, or no such version.
        """
        return owned(await self.store.load(session_id, at_version=at_version), principal.id)

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

    async def history(
        self, session_id: str, principal: Principal, *, after: int = 0, limit: int | None = None
    ) -> Sequence[RecordedEvent]:
        """The events as they were recorded, from the version following `after` on.

        Raises:
            NotFound: no such session.
        """
        await self.get(session_id, principal)
        return await self.store.history(session_id, after=after, limit=limit)

    async def verify(self, session_id: str, principal: Principal) -> Verification:
        """Whether the stored events are those that were recorded, all and in their order.

        Raises:
            NotFound: no such session.
        """
        await self.get(session_id, principal)
        return await self.store.verify(session_id)

    async def end_interrupted_turns(self) -> Sweep:
        """End the turns that an earlier run of the service left behind; to be called before the first request.

        A session that cannot be read does not keep the service from starting: it stays as it is, and is told of.
        """
        ended, unreadable = [], []
        for session_id in await self.store.active():
            try:
                session = await self.store.load(session_id)
            except GatewayError as error:
                unreadable.append((session_id, error))
                continue
            provenance = Provenance(actor="system", method="start", request_id="start")
            await self.store.append(session, rules.interrupt(session, at=self.clock()), provenance)
            ended.append(session_id)
        return Sweep(tuple(ended), tuple(unreadable))

    async def _change(
        self,
        session_id: str,
        principal: Principal,
        request_id: str,
        version: int | None,
        decide: "Callable[..., Sequence[SessionEvent]]",
    ) -> Session:
        session = await self.get(session_id, principal)
        rules.expect_version(session, version)
        events = decide(session, at=self.clock())
        if not events:
            return session
        return await to_its_end(self.store.append(session, events, _provenance(principal, request_id)))


def _provenance(principal: Principal, request_id: str) -> Provenance:
    return Provenance(actor=principal.id, method=principal.method, request_id=request_id)
