"""Whatever is decided in whichever order, the store holds what the domain says, and what was refused is not in it."""

import asyncio
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import SessionQuery
from pluggably.domain.errors import Conflict, VersionConflict
from pluggably.domain.generation import ImagePart, Message, Role, TextPart, ToolCallPart, ToolResultPart
from pluggably.domain.model import Modality
from pluggably.domain.session import (
    Changes,
    ContextPolicy,
    ContextStrategy,
    Session,
    TurnStatus,
    archive,
    change,
    close,
    fold,
    fork,
    hold,
    interrupt,
    release,
    reset,
    tell_continuation,
    tell_fork,
)

from ...postgres_server import PostgresServer
from ...session_builders import ALICE, NOON, a_session, answer, ask, at, fail, opened

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PARTS = st.lists(
    st.one_of(
        st.builds(TextPart, TEXT),
        st.builds(ImagePart, TEXT),
        st.builds(ToolCallPart, TEXT, TEXT, TEXT),
        st.builds(ToolResultPart, TEXT, TEXT),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


METADATA = st.dictionaries(TEXT, TEXT, max_size=2)
POLICIES = st.just(ContextPolicy()) | st.builds(
    ContextPolicy, st.sampled_from([ContextStrategy.LAST_TURNS, ContextStrategy.TOKEN_BUDGET]), st.integers(1, 20)
)
SNAPSHOT_EVERY = 3
CHANGES = st.builds(Changes, title=st.none() | TEXT, metadata=st.none() | METADATA, context=st.none() | POLICIES)


class SessionsInStores(RuleBasedStateMachine):
    """The decisions of one session, carried out on a store of every kind."""

    server: PostgresServer

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.resources = ExitStack()
        self.database = self.resources.enter_context(self.server.database())
        self.stores = [MemorySessionStore(), *self.opened()]
        self.left_behind = None
        self.session = Session(id="ses_a")
        self.seen = [self.session] * len(self.stores)
        self.events = []

    def teardown(self):
        for store in self.stores:
            self.runner.run(store.close())
        self.runner.close()
        self.resources.close()
        shutil.rmtree(self.folder)

    def opened(self):
        return (
            sqlite_sessions(self.folder / "sqlite", snapshot_every=SNAPSHOT_EVERY),
            postgres_sessions(self.database, self.folder / "postgres", snapshot_every=SNAPSHOT_EVERY),
        )

    @property
    def moment(self):
        return at(len(self.events))

    def carry_out(self, decide):
        """Append what was decided to what each store said last; what the domain refuses is not appended."""
        try:
            events = decide(self.session)
        except Conflict:
            return
        self.seen = [
            self.runner.run(store.append(seen, events, ALICE))
            for store, seen in zip(self.stores, self.seen, strict=True)
        ]
        self.events += events
        self.session = fold("ses_a", self.events)
        assert self.seen == [self.session] * len(self.stores)

    @initialize(title=st.none() | TEXT, metadata=METADATA, context=POLICIES, turns=st.integers(0, 3))
    def open(self, title, metadata, context, turns):
        """Open it anew, or as a fork of a session that has turns."""
        facts = {"title": title, "metadata": metadata, "context": context, "defaults": {Modality.TEXT: "tiny"}}
        origin = a_session("ses_o", turns=turns, **facts)
        self.carry_out(lambda _: fork(origin, at=NOON) if turns else (opened(**facts),))

    @rule(parts=PARTS, modality=st.sampled_from(Modality), parameters=st.dictionaries(TEXT, JSON, max_size=2))
    def ask(self, parts, modality, parameters):
        self.carry_out(
            lambda it: ask(it, Message(Role.USER, parts), modality=modality, parameters=parameters, when=self.moment)
        )

    @rule(data=st.data(), parts=PARTS)
    def branch(self, data, parts):
        """Go on from any turn that ended well, whatever came after it."""
        if ended := [turn.number for turn in self.session.turns if turn.status is TurnStatus.COMPLETED]:
            continues, before = data.draw(st.sampled_from(ended)), self.session
            self.carry_out(lambda it: ask(it, Message(Role.USER, parts), continues=continues, when=self.moment))
            assert self.session is before or self.session.turns[-1].follows == continues

    @rule(reason=st.none() | TEXT)
    def hold_or_release(self, reason):
        self.carry_out(lambda it: release(it, at=NOON) if reason is None else hold(it, reason, at=NOON))

    @rule(parts=PARTS)
    def answer(self, parts):
        self.carry_out(lambda it: answer(it, *parts, when=self.moment))

    @rule(code=st.sampled_from(["cancelled", "provider_error"]))
    def fail(self, code):
        self.carry_out(lambda it: fail(it, code))

    @rule(decide=st.sampled_from([reset, interrupt]))
    def decide(self, decide):
        self.carry_out(lambda it: decide(it, at=NOON))

    @rule(changes=CHANGES)
    def change(self, changes):
        self.carry_out(lambda it: change(it, changes, at=self.moment))

    @rule(tell=st.sampled_from([tell_fork, tell_continuation]))
    def tell(self, tell):
        self.carry_out(lambda it: tell(it, fold("ses_b", fork(it, at=NOON)), at=self.moment))

    @rule(certain=st.integers(0, 4), decide=st.sampled_from([close, archive]))
    def end(self, certain, decide):
        if certain == 4:  # seldom: next to nothing happens after it
            self.carry_out(lambda it: decide(it, at=NOON))

    @rule()
    def restart(self):
        """End the process and begin another: a turn that runs is left behind."""
        memory, *lasting = self.stores
        memory.restart()
        for store in lasting:
            self.runner.run(store.close())
        self.stores = [memory, *self.opened()]
        self.seen = [self.runner.run(store.load("ses_a")) for store in self.stores]
        self.left_behind = self.session.active_turn and self.session.active_turn.number

    @rule(data=st.data())
    def write_late(self, data):
        """Decide on an older version, as somebody would who did not see what happened since."""
        if self.session.version < 2:
            return
        seen = fold("ses_a", self.events[: data.draw(st.integers(0, self.session.version - 1))])
        for store in self.stores:
            try:
                self.runner.run(store.append(seen, reset(self.session, at=NOON), ALICE))
            except VersionConflict:
                continue
            except Conflict:  # the domain refuses: busy, or closed
                return
            raise AssertionError("a late write was stored")

    @rule(data=st.data())
    def look_back(self, data):
        """Load the session as it was at one of its versions."""
        if not self.events:
            return
        version = data.draw(st.integers(1, len(self.events)))
        for store in self.stores:
            was = self.runner.run(store.load("ses_a", at_version=version))
            assert was == fold("ses_a", self.events[:version])

    @invariant()
    def every_store_holds_what_the_domain_says(self):
        for store in self.stores:
            if self.events:
                self.runner.run(self.expect_whole(store))

    async def expect_whole(self, store):
        history = await store.history("ses_a")
        assert [it.event for it in history] == self.events
        assert await store.load("ses_a") == self.session
        assert (await store.verify("ses_a")).valid
        (listed,) = (await store.find(SessionQuery(owner="alice"))).sessions
        assert (listed.version, listed.status, listed.turns, listed.title, listed.modalities) == (
            self.session.version,
            self.session.status,
            len(self.session.turns),
            self.session.title,
            self.session.modalities,
        )
        turn = self.session.active_turn
        is_left_behind = turn is not None and turn.number == self.left_behind
        assert list(await store.active()) == ["ses_a"] * is_left_behind


@pytest.fixture(scope="module", autouse=True)
def server(postgres):
    SessionsInStores.server = postgres


TestRandomSessions = SessionsInStores.TestCase
TestRandomSessions.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
