"""A snapshot of a format says for ever what its events add up to; where it cannot any more, the format is another one.

`golden_snapshots_1.jsonl` are those of the versions 8 and 17 of the stream of `golden_v3.jsonl`, under the key of the
bytes 0 to 31. Where the first test fails, snapshots that are stored would be read wrongly: give them a new `_FORMAT`,
by which those are ignored, and put golden ones of that format in the place of these.
"""

import base64
from pathlib import Path

import msgspec
import pytest
from attrs import evolve

from pluggably.adapters.sessions.snapshots import SealedSnapshot, restored, take
from pluggably.adapters.sessions.topics import from_stored
from pluggably.domain.session import Session, fold

from ...session_builders import a_session

HERE = Path(__file__).parent
KEY = bytes(range(32))
TIP = "ab" * 32


def golden() -> list[tuple[SealedSnapshot, str]]:
    lines = map(msgspec.json.decode, (HERE / "golden_snapshots_1.jsonl").read_bytes().splitlines())
    return [
        (SealedSnapshot(**it | {"sealed": base64.b64decode(it["sealed"])}), tip)
        for it in lines
        for tip in (it.pop("tip"),)
    ]


def folded(upto: int) -> Session:
    lines = map(msgspec.json.decode, (HERE / "golden_v3.jsonl").read_bytes().splitlines())
    return fold("ses_a", [from_stored(it["topic"], it["values"]) for it in lines][:upto])


@pytest.mark.parametrize(("number", "version"), [(1, 8), (2, 17)])
def test_a_stored_snapshot_is_what_the_same_events_add_up_to(number, version):
    assert restored("ses_a", golden()[:number], KEY) == folded(version)


def test_without_a_snapshot_a_session_is_new():
    assert restored("ses_a", (), KEY) == Session(id="ses_a")


@pytest.mark.parametrize("changed", [{"session_id": "ses_b"}, {"version": 6}, {"format": 2}, {"sealed": b""}])
def test_a_snapshot_of_something_else_is_not_read(changed):
    snapshot, _ = take(a_session(turns=2), tip=TIP, key=KEY)
    assert restored("ses_a", [(snapshot, TIP)], KEY) == a_session(turns=2)
    assert restored("ses_a", [(evolve(snapshot, **changed), TIP)], KEY) == Session(id="ses_a")
    for tip, key in (("cd" * 32, KEY), (TIP, KEY[::-1])):
        assert restored("ses_a", [(snapshot, tip)], key) == Session(id="ses_a")


def test_the_next_snapshot_has_only_what_came_after():
    first, resting = take(a_session(turns=20), tip=TIP, key=KEY)
    second, _ = take(resting, tip=TIP, key=KEY)
    assert len(second.sealed) < len(first.sealed) / 5
    assert restored("ses_a", [(first, TIP), (second, TIP)], KEY) == a_session(turns=20)
    assert restored("ses_a", [(second, TIP)], KEY) == Session(id="ses_a")
