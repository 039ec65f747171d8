"""Whatever is changed in an export, the check of it names the place."""

import asyncio
import base64
import json
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from pluggably.adapters.audit.lines import computed_hash
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.audit.verifier import examine
from pluggably.application.audit import Examination, Fault

from .exports import an_export, exported, stored

SECTIONS = {"ses_a": range(2, 9), "ses_b": range(9, 14), "ses_c": range(14, 17)}  # the lines of each, from 1
SEAL = 17
EVENT_LINES = st.integers(2, 16)


@pytest.fixture
def lines() -> list[bytes]:
    return list(an_export())


def place(line: int) -> tuple[str, int]:
    """The session and version whose event is on a line."""
    ((session_id, section),) = [it for it in SECTIONS.items() if line in it[1]]
    return session_id, line - section[0] + 1


def expect_fault_at(line: int, lines: list[bytes]) -> Fault:
    fault = examine(lines).fault
    assert fault is not None
    assert fault.line == line
    if line in range(2, SEAL):
        assert (fault.session_id, fault.version) == place(line)
    return fault


def test_an_untouched_export_is_whole(lines):
    key = json.loads(lines[0])["key"]
    assert examine(lines) == Examination(sessions=3, events=15, erased=3, key_id=key["id"])
    assert examine(lines, trusted=base64.b64decode(key["public"])).fault is None


def test_another_key_than_the_trusted_one_is_not_enough(lines):
    assert examine(lines, trusted=bytes(32)).fault == Fault(
        line=1, what="names another key than the one that is trusted"
    )


@settings(max_examples=300, deadline=None)
@given(line=EVENT_LINES, where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_of_an_event(line, where, flip):
    lines = list(an_export())
    changed = bytearray(lines[line - 1])
    changed[int(where * len(changed))] ^= flip
    lines[line - 1] = bytes(changed)
    expect_fault_at(line, split(b"".join(lines)))


@settings(max_examples=150, deadline=None)
@given(line=st.sampled_from([1, SEAL]), where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_of_the_manifest_or_the_seal(line, where, flip):
    lines = list(an_export())
    changed = bytearray(lines[line - 1])
    changed[int(where * len(changed))] ^= flip
    lines[line - 1] = bytes(changed)
    assert examine(split(b"".join(lines))).fault is not None


@settings(max_examples=40, deadline=None)
@given(line=EVENT_LINES)
def test_a_dropped_line(line):
    lines = list(an_export())
    del lines[line - 1]
    expect_fault_at(line, lines)


@settings(max_examples=40, deadline=None)
@given(line=EVENT_LINES)
def test_a_doubled_line(line):
    lines = list(an_export())
    lines.insert(line - 1, lines[line - 1])
    expect_fault_at(line + 1, lines)


@settings(max_examples=80, deadline=None)
@given(pair=st.lists(EVENT_LINES, min_size=2, max_size=2, unique=True))
def test_two_swapped_lines(pair):
    lines = list(an_export())
    one, other = pair
    lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
    expect_fault_at(min(pair), lines)


@settings(max_examples=40, deadline=None)
@given(line=EVENT_LINES, to=st.sampled_from(sorted(SECTIONS)))
def test_an_event_that_was_given_to_another_session(line, to):
    lines, (session_id, _) = list(an_export()), place(line)
    if to != session_id:
        lines[line - 1] = lines[line - 1].replace(session_id.encode(), to.encode())
        expect_fault_at(line, lines)


@settings(max_examples=60, deadline=None)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_tail_that_was_cut_off(kept):
    whole = b"".join(an_export())
    left = split(whole[: int(kept * len(whole))])
    fault = examine(left).fault
    assert fault is not None
    assert fault.line in (len(left), len(left) + 1)


def test_lines_after_the_end(lines):
    assert expect_fault_at(SEAL + 1, [*lines, lines[-1]]).what == "stands after the end"


def test_content_that_was_changed_with_its_seal_is_not_signed(lines):
    """Somebody without the signing key drops the last event of the erased session, and makes the rest fit."""
    manifest = json.loads(lines[0])
    manifest["events"], manifest["sessions"][2]["events"] = 14, 2
    manifest["sessions"][2]["head"] = json.loads(lines[14])["hash"]
    forged = [canonical(manifest), *lines[1:15]]
    seal = json.loads(lines[-1]) | {"events": 14, "sha256": sha256(b"".join(forged)).hexdigest()}
    assert examine([*forged, canonical(seal)]).fault == Fault(line=16, what="is not signed by the key")


def test_content_of_a_changed_event_names_the_commitment(lines):
    lines[1] = lines[1].replace(b"Be brief.", b"Be cruel.")
    assert expect_fault_at(2, lines).what == "has content that is not what was recorded"


def test_an_export_shows_nothing_of_what_was_erased(lines):
    for line in SECTIONS["ses_c"]:
        shown = json.loads(lines[line - 1])
        assert (shown["data"], shown["salt"], shown["provenance"]["actor"]) == (None, None, "alice")


def test_a_manifest_alone_or_nothing_is_not_an_export(lines):
    assert examine([]).fault.line == 1
    assert examine(lines[:1]).fault.line == 2
    assert examine([b"{}\n"]).fault.what == "is not a manifest"


def test_the_signing_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    first, second = SigningKey(tmp_path / "keys").public_key(), SigningKey(tmp_path / "keys").public_key()
    assert first == second
    assert (tmp_path / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600
    assert [it.name for it in (tmp_path / "keys").iterdir()] == ["signing.key"]


def split(export: bytes) -> list[bytes]:
    """Lines as a file gives them."""
    with tempfile.TemporaryFile() as file:
        file.write(export)
        file.seek(0)
        return list(file)


def canonical(line: dict) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def test_a_verifier_of_the_standard_library_alone_agrees(tmp_path):
    """The recipe of docs/audit.md, written once more."""
    for line in exported(asyncio.run(stored(tmp_path)), Path(tmp_path))[1:-1]:
        it = json.loads(line)
        event_place = json.dumps([it["session_id"], it["version"], it["type"]], separators=(",", ":")).encode()
        header, sealed = it["header"].encode(), base64.b64decode(it["sealed"])
        hashed = event_place + bytes([it["stored_format"]]) + len(header).to_bytes(4, "big") + header + sealed
        assert sha256(hashed).hexdigest() == it["hash"]
        if it["data"] is not None:
            content = base64.b64decode(it["salt"]) + canonical(it["data"])[:-1]
            assert sha256(content).hexdigest() == json.loads(header)["content_digest"]


def test_an_event_that_was_hashed_anew_and_signed_shows_in_the_next_one(tmp_path):
    """Who holds the signing key, but rewrites one event only."""
    stream, *others = asyncio.run(stored(tmp_path))
    forged = evolve(stream.events[2], sealed=stream.events[2].sealed[:-1] + b"!")
    forged = evolve(forged, hash=computed_hash(forged))
    spoilt = evolve(stream, events=(*stream.events[:2], forged, *stream.events[3:]))
    fault = expect_fault_at(5, exported((spoilt, *others), tmp_path))
    assert fault.what == "does not follow the event before it"


def test_a_head_that_is_not_the_last_event_is_named(lines):
    manifest = json.loads(lines[0])
    manifest["sessions"][0]["head"] = "0" * 64
    fault = expect_fault_at(8, [canonical(manifest), *lines[1:]])
    assert fault.what == "is not the last event that the manifest names"
