"""Partial files: what of them is here, what is believed after a death, and that the hash is the whole file's."""

import hashlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.downloads import journal
from pluggably.adapters.downloads.extents import merged, missing, prefix, slices, total
from pluggably.adapters.downloads.partial import Partial
from pluggably.domain.errors import ChecksumMismatch, UnsafeFile
from tests.download_builders import a_file, git_id, noise

CONTENT = b"GGUF" + noise(6, 9_996)
EXTENTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


def bytes_of(extents) -> set[int]:
    return {at for start, stop in extents for at in range(start, stop)}


@given(EXTENTS)
def test_ranges_are_the_same_bytes_in_as_few_as_can_be(extents):
    whole = merged(extents)
    assert bytes_of(whole) == bytes_of(extents)
    assert all(one[1] < other[0] for one, other in pairwise(whole))
    assert total(extents) == len(bytes_of(extents))


@given(EXTENTS, st.integers(0, 60))
def test_what_is_missing_is_what_is_not_here(extents, size):
    assert bytes_of(missing(extents, size)) == set(range(size)) - bytes_of(extents)
    here = bytes_of(extents)
    assert prefix(extents) == next(at for at in range(62) if at not in here)


@given(EXTENTS, st.integers(1, 20))
def test_slices_are_the_gaps_in_pieces_that_are_not_too_large(gaps, most):
    pieces = slices(merged(gaps), most)
    assert bytes_of(pieces) == bytes_of(gaps)
    assert all(0 < stop - start <= most for start, stop in pieces)


@pytest.fixture
def opened(tmp_path):
    partials = []

    def opened(**facts) -> Partial:
        partials.append(Partial(tmp_path / "0.part", a_file(size_bytes=len(CONTENT), **facts)))
        return partials[-1]

    yield opened
    for partial in partials:
        partial.close()


def fill(partial: Partial, *extents) -> None:
    for start, stop in extents:
        partial.write(start, [CONTENT[start:stop]])


@given(st.data())
def test_the_hash_is_the_whole_files_in_whatever_order_it_came_and_however_often_it_was_begun(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("partial") / "0.part"
    cuts = sorted({0, len(CONTENT), *data.draw(st.lists(st.integers(1, len(CONTENT) - 1), max_size=6))})
    pieces = data.draw(st.permutations(list(pairwise(cuts))))
    git = data.draw(st.booleans())
    digest = f"git:{git_id(CONTENT)}" if git else f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    again = data.draw(st.sets(st.integers(0, len(pieces))))
    partial = Partial(path, a_file(size_bytes=len(CONTENT), digest=digest))
    for number, piece in enumerate(pieces):
        if number in again:
            partial.close()
            partial = Partial(path, a_file(size_bytes=len(CONTENT), digest=digest))
        fill(partial, piece)
    assert partial.missing() == []
    assert partial.finish() == hashlib.sha256(CONTENT).hexdigest()
    partial.close()
    assert path.read_bytes() == CONTENT


def test_what_was_written_is_known_after_a_death(opened):
    fill(opened(), (0, 1_000), (5_000, 6_000))
    again = opened()
    assert again.resumed
    assert again.missing() == [(1_000, 5_000), (6_000, len(CONTENT))]


def test_after_a_power_cut_only_what_was_flushed_is_believed(opened, monkeypatch):
    partial = opened()
    fill(partial, (0, 1_000))
    partial.flush()
    fill(partial, (1_000, 2_000))
    monkeypatch.setattr(journal, "_boot_id", lambda: "another start of the machine")
    assert opened().missing() == [(1_000, len(CONTENT))]


def test_a_record_that_was_cut_off_is_none(opened, tmp_path):
    fill(opened(), (0, 1_000), (1_000, 2_000))
    path = tmp_path / "0.journal"
    path.write_bytes(path.read_bytes()[:-3])
    assert opened().missing() == [(1_000, len(CONTENT))]


@pytest.mark.parametrize("change", [{"digest": "sha256:" + "0" * 64}, {"tag": '"2"'}, {"name": "other.gguf"}])
def test_what_is_here_of_another_file_is_of_no_use(opened, change):
    fill(opened(), (0, 1_000))
    assert opened(**change).bytes_done == 0


@pytest.mark.parametrize("text", [b"", b"\n", b"{", b"[]\n", b'{"boot": 1}\n' + bytes(64), noise(7, 400)])
def test_a_journal_that_is_none_is_begun_anew(opened, tmp_path, text):
    (tmp_path / "0.journal").write_bytes(text)
    assert opened().bytes_done == 0


def test_a_journal_cannot_claim_more_than_the_file_has(opened, tmp_path):
    partial = opened()
    fill(partial, (0, 1_000))
    with (tmp_path / "0.journal").open("ab") as file:
        file.write(struct.pack("<QQ", 500, 2**40))
    assert opened().bytes_done in (0, 1_000)


def test_a_file_that_is_not_what_was_promised_is_told(opened):
    partial = opened(digest="sha256:" + "0" * 64)
    fill(partial, (0, len(CONTENT)))
    with pytest.raises(ChecksumMismatch):
        partial.finish()


def test_a_file_that_begins_like_a_pickle_is_refused_when_its_beginning_is_here(opened):
    partial = opened(name="config.json")
    partial.write(600, [bytes(1_000)])
    partial.write(0, [b"\x80\x04"])
    with pytest.raises(UnsafeFile):
        partial.write(2, [bytes(598)])


def test_a_file_that_is_begun_anew_has_nothing_of_the_old_one(opened):
    partial = opened()
    fill(partial, (0, 1_000))
    partial.start_over(a_file(size_bytes=3_000, tag='"2"'))
    assert partial.missing() == [(0, 3_000)]
    partial.write(0, [b"GGUF" + bytes(2_996)])
    assert partial.finish() == hashlib.sha256(b"GGUF" + bytes(2_996)).hexdigest()
