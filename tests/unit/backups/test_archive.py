"""The file that a backup is."""

import tarfile
from contextlib import closing

import pytest

from pluggably.adapters.backups.archive import NewTarArchive, TarArchive
from pluggably.application.backup_ports import Manifest, Totals
from pluggably.domain.errors import InvalidRequest
from tests.session_builders import NOON

MANIFEST = Manifest(
    version="0.1.0",
    made_at=NOON,
    database="sqlite",
    migrations=(6, 7),
    totals=Totals(events=3, sessions=2, artifacts=1),
    gone=("ab",),
)


@pytest.fixture
def archive(tmp_path):
    """One with two files."""
    part = tmp_path / "part"
    with closing(NewTarArchive(tmp_path / "copy.tar", "unused")) as new:
        for name in ("first", "second"):
            part.write_text(f"the {name} file")
            new.add(name, part)
        path, _ = new.finish(MANIFEST)
    return path


def manifest_of(path):
    return TarArchive(path, path.parent).manifest()


def test_what_was_put_in_comes_out(archive, tmp_path):
    opened = TarArchive(archive, tmp_path)
    assert opened.manifest() == MANIFEST
    assert [(name, path.read_text()) for name, path in opened.parts()] == [
        ("first", "the first file"),
        ("second", "the second file"),
    ]


def test_anybody_who_has_tar_can_look_into_it(archive):
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["first", "second", "manifest.json"]


def test_a_bit_that_flipped_is_found_wherever_it_is(archive, tmp_path):
    whole, damaged = archive.read_bytes(), tmp_path / "damaged.tar"
    for place in range(len(whole)):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InvalidRequest):
            manifest_of(damaged)


@pytest.mark.parametrize("left_bytes", [0, 1, 512, -90, -1])
def test_an_end_that_is_cut_off_is_found(archive, left_bytes):
    archive.write_bytes(archive.read_bytes()[:left_bytes])
    with pytest.raises(InvalidRequest, match=r"its end is cut off|is damaged"):
        manifest_of(archive)


def test_of_a_backup_that_was_not_finished_nothing_is_left(tmp_path):
    (tmp_path / "part").write_text("x")
    with closing(NewTarArchive(tmp_path, "copy.tar")) as new:
        new.add("first", tmp_path / "part")
    assert [it.name for it in tmp_path.iterdir()] == ["part"]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path):
    with closing(NewTarArchive(tmp_path, "copy.tar")) as new:
        (tmp_path / "copy.tar").write_text("another's")
        with pytest.raises(InvalidRequest, match="replaces nothing"):
            new.finish(MANIFEST)
    assert (tmp_path / "copy.tar").read_text() == "another's"
