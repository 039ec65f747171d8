"""Names of files from elsewhere: what is taken of them stays below its folder and can be seen."""

import pickle
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pluggably.domain.errors import UnsafeFile
from pluggably.domain.file_names import (
    HEAD_BYTES,
    chosen,
    distinct,
    file_path,
    folder_name,
    refuse_pickles,
    refuse_unsafe,
)


@pytest.mark.parametrize("name", ["model.gguf", "vae/config.json", "a b.txt", "größe.json", "Qwen2.5-0.5B+x@1.gguf"])
def test_ordinary_names_are_taken_as_they_are(name):
    assert file_path(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "a/.",
            "./a",
            "~/a",
            ".hidden",
            "a/.git/b",
        ),
        *("a\\b", "C:a", "\\\\host\\a", "a\0b", "a\nb", "a\x1bb", "a\x7fb", "a\u202egguf", "a\u200bb", "a\ud800b"),
        *(" a", "a ", "a?", "a*", "x" * 201, "ä" * 101, "/".join("a" * 9), "a\u2028b"),
    ],
)
def test_names_that_lead_elsewhere_or_cannot_be_seen_are_refused(name):
    with pytest.raises(UnsafeFile):
        file_path(name)


@given(st.text(st.sampled_from("ab./\\~ :\0\n\u202e\u0308äé"), max_size=24) | st.text(max_size=300))
@example("a/../../b")
def test_a_name_that_is_taken_stays_below_its_folder(name):
    try:
        path = file_path(name)
    except UnsafeFile:
        return
    assert not PurePosixPath(path).is_absolute()
    assert Path("/models", path).resolve().is_relative_to("/models")
    assert all(len(part.encode()) <= 200 and not part.startswith(".") for part in path.split("/"))
    assert unicodedata.normalize("NFC", path) == path == file_path(path)


@pytest.mark.parametrize("names", [["a", "A"], ["a", "a/b"], ["a/b", "A"], ["ß", "ss"]])
def test_names_in_each_others_way_are_refused(names):
    with pytest.raises(UnsafeFile):
        distinct(names)


@given(st.text(max_size=300))
def test_a_folder_has_a_plain_name(text):
    name = folder_name(text)
    assert name.isascii()
    assert 0 < len(name) <= 100
    assert not name.startswith(".")
    assert "/" not in name


def test_by_default_nothing_is_chosen_that_can_run_code():
    there = [
        "model.safetensors",
        "pytorch_model.bin",
        "a/x.gguf",
        "modeling.py",
        "config.json",
        ".gitattributes",
        "x.pt",
    ]
    assert chosen(there, ()) == ["model.safetensors", "a/x.gguf", "config.json"]


def test_what_is_chosen_is_what_the_patterns_say_but_nothing_hidden():
    there = ["a.Q4_0.gguf", "a.Q8_0.gguf", "x/.cache/a.Q4_0.gguf", "x/b.Q4_0.gguf"]
    assert chosen(there, ("*Q4_0*",)) == ["a.Q4_0.gguf", "x/b.Q4_0.gguf"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "x/model.PT", "a.ckpt", "a.pkl", "a.npz"])
def test_pickle_formats_are_refused_by_name(name):
    with pytest.raises(UnsafeFile):
        refuse_pickles(["config.json", name])


SAFETENSORS = (640).to_bytes(8, "little") + b'{"a":1}'  # the length looks like a pickle's first two bytes
ZIP, TAR = b"PK\x03\x04" + bytes(60), bytes(257) + b"ustar\x0000"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.gguf", b"GGUF\x03\0\0\0"),
        ("a.safetensors", SAFETENSORS),
        ("a.json", b'{"a": 1}'),
        ("a.txt", b""),
        ("a.model", b"\n\x0e\n\x05<unk>"),
        ("a.txt", b"\x80abc"),
        ("copy.of.weights", SAFETENSORS),
    ],
)
def test_what_is_what_its_name_says_is_taken(name, head):
    refuse_unsafe(name, head)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["a.gguf", "a.safetensors", "a.Safetensors", "a.json", "a.txt", "model"])
def test_a_pickle_is_refused_under_every_name(name, protocol):
    with pytest.raises(UnsafeFile):
        refuse_unsafe(name, pickle.dumps({"a": 1}, protocol)[:HEAD_BYTES])


@pytest.mark.parametrize("head", [ZIP, TAR, b"\x1f\x8b\x08"])
@pytest.mark.parametrize("name", ["a.json", "a.safetensors", "a.gguf", "a.model"])
def test_an_archive_is_refused_under_every_name(name, head):
    with pytest.raises(UnsafeFile):
        refuse_unsafe(name, head)


@pytest.mark.parametrize(("name", "head"), [("a.gguf", b""), ("a.safetensors", b"{}"), ("a.gguf", b"gguf")])
def test_weights_that_are_not_what_they_are_called_are_refused(name, head):
    with pytest.raises(UnsafeFile):
        refuse_unsafe(name, head)
