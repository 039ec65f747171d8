"""The file of checkpoints only grows, and outlives a power cut."""

import os
import threading
from pathlib import Path

import pytest

from pluggably.adapters.audit.checkpoint_file import NAME, CheckpointFile
from pluggably.adapters.audit.notes import SigningNotes
from pluggably.adapters.audit.signing import SigningKey
from pluggably.domain.errors import GatewayError
from pluggably.domain.merkle import TreeHead

_SIGNER = SigningNotes(SigningKey(Path("nowhere"), seed=bytes(32)))


def a_note(size: int) -> str:
    return _SIGNER.sign(TreeHead(size, bytes(32)))


@pytest.fixture
def file(tmp_path):
    return CheckpointFile(tmp_path / "worm" / "audit")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worm" / "audit" / NAME


def test_what_was_added_is_there_in_its_order(file, path):
    assert (file.last(), list(file.notes())) == (None, [])
    file.append([a_note(1), a_note(2)])
    file.append([a_note(5)])
    assert list(file.notes()) == [a_note(1), a_note(2), a_note(5)]
    assert file.last() == a_note(5)
    assert path.read_text() == f"{a_note(1)}\n{a_note(2)}\n{a_note(5)}\n"


def test_what_another_process_has_added_is_not_added_again(file, tmp_path):
    file.append([a_note(3)])
    CheckpointFile(tmp_path / "worm" / "audit").append([a_note(2), a_note(3), a_note(4)])
    assert list(file.notes()) == [a_note(3), a_note(4)]


def test_many_who_add_at_once_do_not_get_between_each_other(file):
    notes = [a_note(it) for it in range(1, 201)]

    def add() -> None:
        for upto in range(len(notes)):
            file.append(notes[: upto + 1])

    adding = [threading.Thread(target=add) for _ in range(8)]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert list(file.notes()) == notes


@pytest.mark.parametrize("first", [(), (1, 2)])
@pytest.mark.parametrize("torn", [1, 30, 75, 76, 100, -2, -1])
def test_what_a_power_cut_left_of_a_note_is_passed_over_and_replaced(file, path, first, torn):
    whole = [a_note(it) for it in first]
    file.append(whole)
    with path.open("a") as raw:
        raw.write(f"{a_note(7)}\n"[:torn])
    assert list(file.notes()) == whole
    assert file.last() == (whole[-1] if whole else None)
    file.append([a_note(7), a_note(8)])
    assert list(file.notes()) == [*whole, a_note(7), a_note(8)]


def test_a_file_of_something_else_is_not_written_to(file, path):
    path.parent.mkdir(parents=True)
    path.write_text("Dear diary\n" * 200)
    assert file.last() == "Dear diary\n" * 200
    assert list(file.notes()) == ["Dear diary\n" * 200]
    with pytest.raises(GatewayError, match=r"see to audit\.checkpoints_folder"):
        file.append([a_note(1)])
    assert path.read_text() == "Dear diary\n" * 200


def test_a_long_file_is_not_read_whole_to_find_its_end(file, path):
    file.append([a_note(it) for it in range(1, 1_001)])
    assert path.stat().st_size > 3 * 65_536
    assert file.last() == a_note(1_000)
    file.append([a_note(1_001)])
    assert len(list(file.notes())) == 1_001


def test_a_place_that_cannot_be_used_is_said_in_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GatewayError, match=r"see to audit\.checkpoints_folder"):
        CheckpointFile(tmp_path / "taken").append([a_note(1)])


def test_everybody_may_read_it_and_only_its_owner_write(file, path):
    before = os.umask(0o022)
    try:
        file.append([a_note(1)])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
