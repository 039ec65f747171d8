"""Every port: what the use cases need of the world, in their own words.

A port's docstring is its contract; `tests/contracts/` runs it against every adapter. Adapters do not inherit from
ports: having the methods is enough.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from ..domain.generation import BackendState, GenerationEvent, GenerationRequest
from ..domain.idempotency import KeyUse
from ..domain.model import Modality, Model, ModelStatus
from ..domain.session import HeldState, Session, SessionErased, SessionEvent, SessionStatus


class Clock(Protocol):
    """The time."""

    def __call__(self) -> datetime:
        """Now, aware, in UTC."""


class IdFactory(Protocol):
    """New names."""

    def __call__(self, prefix: str) -> str:
        """A new id, `<prefix>_…`: unique, and later ones sort after earlier ones."""


class Generator(Protocol):
    """Something that generates: a provider or the local runners, in any modality."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Yield `Started`, then deltas or `Progress`, then exactly one `Completed`, last.

        `Completed.output` is what the deltas add up to. Closing the generator, or cancelling the task that waits for
        it, cancels the work within one token or step. One event after the other is waited for, but not always by the
        same task. Raises `GatewayError` subclasses only, and never ends without
        `Completed`: an upstream that was cut off or went silent raises `StreamInterrupted`. Raises `StateTokenRefused`,
        before any output, for a `request.state` that it does not know or cannot go on from.
        """
        ...

    async def forget(self, state: BackendState) -> None:
        """Delete what the backend keeps of a state that it gave, if it keeps anything; twice is the same as once.

        Raises:
            GatewayError: it may still be there.
        """

    async def close(self) -> None:
        """Let go of every connection and process."""


class ModelSource(Protocol):
    """Where models come from: a folder of files, a provider's list."""

    async def models(self) -> Sequence[Model]:
        """All models of this source, in a stable order; never raises for one bad model (its `reason` says so)."""
        ...

    def match(self, model_id: str) -> Model | None:
        """A model that is not listed but may be asked for all the same (a provider's pattern allows it), or None."""
        ...


class RunnerStatus(Protocol):
    """What is known of the local models that are running."""

    def status(self, model_id: str) -> ModelStatus:
        """`available`, `loading` or `loaded`."""
        ...


class SessionStore(Protocol):
    """Sessions, each a stream of events."""

    async def load(self, session_id: str, *, at_version: int | None = None) -> Session:
        """Fold the stream, whole or up to `at_version`.

        Raises:
            NotFound: there is no such session, or it never had that version.
        """
        ...

    async def owner(self, session_id: str) -> str:
        """Whose the session is, or was before it was erased.

        Raises:
            NotFound: there is no such session.
        """
        ...

    async def append(
        self,
        session: Session,
        events: Sequence[SessionEvent],
        provenance: "Provenance",
        *,
        key_use: KeyUse | None = None,
        state: HeldState | None = None,
    ) -> Session:
        """Store `events` after `session.version`, all or none, durably, and return the state after them.

        What `find` answers has them at the same moment. `key_use` and `state` are stored with them or not at all.

        Raises:
            VersionConflict: the stored stream is not at `session.version`.
            IdempotencyInProgress: the owner's key already stands for something else than `key_use.instead_of`.
        """
        ...

    async def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        ...

    async def state(self, digest: str) -> HeldState | None:
        """What the state token with that digest stands for; None if there is none, or it is gone."""
        ...

    async def states(self, session_id: str) -> Sequence[HeldState]:
        """What the session's state tokens stand for, those of the first turn first.

        Raises:
            NotFound: there is no such session.
        """
        ...

    async def erase(self, session: Session, erased: SessionErased, provenance: "Provenance") -> "Erasure":
        """Store the session's last event, destroy what its content could be read with, and look whether it is gone.

        From then on `load`, `history` and `append` raise `errors.SessionErased`, the list does not have it, its
        idempotency keys and state tokens are forgotten, and `verify` still finds the chain whole.

        Raises:
            VersionConflict: the stored stream is not at `session.version`.
            NotFound: there is no such session.
            GatewayError: something of the content can still be read.
        """
        ...

    async def history(self, session_id: str, *, after: int = 0, limit: int | None = None) -> "Sequence[RecordedEvent]":
        """The stream as it was recorded, from the version following `after` on; empty past its end.

        Raises:
            NotFound: there is no such session.
        """
        ...

    async def changed(self, session_id: str, version: int, timeout_s: float) -> bool:
        """Wait until the session has events after `version`, whoever stored them, or is gone.

        A hint: who is woken reads `history` again.

        Returns:
            False if `timeout_s` seconds went by without any.
        """
        ...

    async def verify(self, session_id: str) -> "Verification":
        """Compute the chain anew from the stored bytes.

        Raises:
            NotFound: there is no such session.
        """
        ...

    async def find(self, query: "SessionQuery") -> "SessionPage":
        """The sessions that match, last active first."""
        ...

    async def active(self) -> Sequence[str]:
        """The ids of the sessions whose last turn has not ended, and never will: the process it ran in is gone."""
        ...

    async def close(self) -> None:
        """Let go of the database."""


@frozen(kw_only=True)
class Provenance:
    """Who caused events, and in which request; stored with each of them. `causation_id` is the event that led to it."""

    actor: str
    method: str
    request_id: str
    causation_id: str | None = None


@frozen(kw_only=True)
class RecordedEvent:
    """An event as it was stored.

    `previous_hash` and `hash` are hex sha256 over the stored bytes; they make the chain.
    """

    id: str
    session_id: str
    version: int
    event: SessionEvent
    provenance: Provenance
    recorded_at: datetime
    previous_hash: str
    hash: str


@frozen(kw_only=True)
class Verification:
    """What a check of a session's chain found: its length, its last hash, and the first version that is not right."""

    valid: bool
    events: int
    head: str
    broken_at: int | None = None
    erased: bool = False


@frozen(kw_only=True)
class Erasure:
    """What was removed of a session: its key, its title and metadata, and what is counted here.

    `events` stay, with the hash of the last: who did what and when, and nothing of what was said. So many
    `backend_states` were deleted by the backends that gave them, and so many `artifacts`; those that are `…_left` may
    still be there. `jobs` are the session's generations in the background.
    """

    session_id: str
    erased_at: datetime
    events: int
    head: str
    idempotency_keys: int
    state_tokens: int
    snapshots: int
    backend_states: int = 0
    backend_states_left: int = 0
    artifacts: int = 0
    artifacts_left: int = 0
    jobs: int = 0


@frozen(kw_only=True)
class SessionQuery:
    """Which sessions to list: those that have all of `metadata`.

    `after` is the last id and its activity of the page before.
    """

    owner: str
    status: SessionStatus | None = None
    modality: Modality | None = None
    active_after: datetime | None = None
    metadata: Mapping[str, str] = field(factory=dict)
    limit: int = 20
    after: "SessionCursor | None" = None


@frozen(kw_only=True)
class SessionCursor:
    """A place in the list of sessions."""

    last_activity_at: datetime
    id: str


@frozen(kw_only=True)
class SessionSummary:
    """A session as a list shows it; `hold` is the reason for which it must not be erased, if there is one."""

    id: str
    owner: str
    title: str | None
    status: SessionStatus
    version: int
    turns: int
    modalities: tuple[Modality, ...]
    metadata: dict[str, str]
    created_at: datetime
    last_activity_at: datetime
    hold: str | None = None


@frozen(kw_only=True)
class SessionPage:
    """One page of a list."""

    sessions: tuple[SessionSummary, ...]
    has_more: bool


@frozen(kw_only=True)
class FetchProgress:
    """How far a fetch has come; `bytes_total` is None while it is not known. `status` is for people."""

    status: str
    bytes_done: int
    bytes_total: int | None


class ModelFetcher(Protocol):
    """Brings a model's files from one kind of source."""

    scheme: str

    def fetch(self, reference: str) -> AsyncIterator[FetchProgress]:
        """Fetch `reference` (the part after `scheme:`) into the model folder; the last event has all bytes done.

        A file gets its final name only when it is whole. Closing the iterator stops the fetch and removes what is
        partial.

        Raises:
            InvalidRequest: the reference is not of this scheme's form.
            NotFound: the source has no such thing, or no model in it.
            InsufficientStorage: the disk is full.
            GatewayError: the source could not be reached; the message says what to do.
        """
        ...
