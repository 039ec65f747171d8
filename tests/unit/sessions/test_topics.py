"""What is stored can be read for ever: the golden file is never edited, new versions get files of their own."""

from pathlib import Path

import msgspec
import pytest

from pluggably.adapters.sessions import topics
from pluggably.adapters.sessions.canonical_json import CanonicalJson
from pluggably.adapters.sessions.topics import PART_TAGS, TOPICS, from_stored, to_stored
from pluggably.domain.errors import GatewayError
from pluggably.domain.generation import Part
from pluggably.domain.session import (
    ContextPolicy,
    ContextStrategy,
    Origin,
    SessionEvent,
    SessionReset,
    SessionStatus,
    TurnStatus,
    context,
    fold,
)

from ...session_builders import EVERY_PART, NOON, at


def golden(name: str) -> list[dict]:
    return [msgspec.json.decode(line) for line in (Path(__file__).parent / name).read_bytes().splitlines()]


GOLDEN_V1, GOLDEN_V2, GOLDEN_V3 = (golden(f"golden_v{version}.jsonl") for version in (1, 2, 3))


def test_a_stream_of_version_1_replays_for_ever():
    session = fold("ses_a", [from_stored(it["topic"], it["values"]) for it in GOLDEN_V1])
    assert (session.version, session.status, session.closed_at) == (7, SessionStatus.CLOSED, at(6))
    assert (session.owner, session.title, session.metadata) == ("alice", "Grüße", {"k": "v"})
    assert [turn.status for turn in session.turns] == [TurnStatus.COMPLETED, TurnStatus.FAILED]
    assert session.turns[0].messages[0].parts == session.turns[0].output == EVERY_PART
    assert session.turns[0].usage.cached_input_tokens == 1
    assert session.turns[1].error_code == "runner_crashed"
    assert [message.text for message in context(session)] == ["Be brief."]


def test_a_stream_of_version_2_replays_for_ever():
    session = fold("ses_a", [from_stored(it["topic"], it["values"]) for it in GOLDEN_V2])
    assert (session.version, session.status, session.closed_at) == (13, SessionStatus.ERASED, at(8))
    assert (session.title, session.metadata) == ("Other", {"a": "b"})
    assert session.context == ContextPolicy(ContextStrategy.LAST_TURNS, 1)
    assert session.forked_from == Origin(session_id="ses_o", version=3)
    assert (session.forks, session.continued_by) == (("ses_b",), ("ses_c",))
    assert [turn.generation_id for turn in session.turns] == ["gen_1", "gen_2", "gen_3"]
    assert [turn.follows for turn in session.turns] == [None, 1, 2]


def test_a_stream_of_version_3_replays_for_ever():
    session = fold("ses_a", [from_stored(it["topic"], it["values"]) for it in GOLDEN_V3])
    assert (session.version, session.status, session.hold) == (18, SessionStatus.ERASED, None)
    assert [turn.follows for turn in session.turns] == [None, 1, 1, 3]
    assert session.head is None
    assert [turn.state and turn.state.kind for turn in session.turns] == [None, "history", "tiny.memory", None]


def test_what_was_in_the_context_of_version_2_is_what_is_told():
    opened = next(it["values"] for it in GOLDEN_V2 if it["topic"] == "session.opened.v2")
    turns = [{**opened["turns"][0], "number": number, "in_context": number in (2, 4)} for number in (1, 2, 3, 4)]
    session = fold("ses_a", [from_stored("session.opened.v2", {**opened, "turns": turns})])
    assert [turn.number for turn in session.path(session.head)] == [2, 4]


def test_events_are_still_written_as_version_3_was():
    for it in GOLDEN_V3:
        assert to_stored(from_stored(it["topic"], it["values"])) == (it["topic"], it["values"])


def test_every_event_and_every_part_has_a_name_of_its_own():
    assert set(TOPICS.values()) == set(SessionEvent.__args__)
    assert set(PART_TAGS) == set(Part.__args__)
    assert len(set(PART_TAGS.values())) == len(PART_TAGS)
    assert {it["topic"] for it in GOLDEN_V3} == set(TOPICS)


def test_no_python_name_is_stored():
    stored = CanonicalJson().encode([to_stored(from_stored(it["topic"], it["values"])) for it in GOLDEN_V3]).decode()
    names = [it.__name__ for it in (*TOPICS.values(), *PART_TAGS)]
    assert not [name for name in names if name in stored]


def test_a_topic_that_nobody_knows_is_an_error_that_names_it():
    with pytest.raises(GatewayError, match=r"session\.merged\.v9.*newer"):
        from_stored("session.merged.v9", {})


@pytest.mark.parametrize("values", [{}, {"at": "yesterday"}, {"at": NOON.isoformat(), "why": "?"}])
def test_values_of_another_form_are_an_error(values):
    with pytest.raises(GatewayError, match=r"session\.reset\.v1"):
        from_stored("session.reset.v1", values)


def test_an_old_version_is_brought_up_to_date(monkeypatch):
    upcast = ("session.reset.v1", lambda values: {"at": values["when"]})
    monkeypatch.setitem(topics.UPCASTERS, "session.reset.v0", upcast)
    assert from_stored("session.reset.v0", {"when": NOON.isoformat()}) == SessionReset(at=NOON)


def test_the_same_values_are_the_same_bytes():
    assert CanonicalJson().encode({"b": [1, {"d": 1, "c": 2}], "a": "é"}) == '{"a":"é","b":[1,{"c":2,"d":1}]}'.encode()
