"""The GGUF reader: right about whole files, and never worse than `MalformedGguf` about any other."""

from hashlib import sha256
from struct import pack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.catalog.gguf import GgufHeader, MalformedGguf, read_gguf

from .gguf_file import TENSORS, a_gguf

WHOLE = a_gguf()
LAST = TENSORS[-1][0].encode()
HEADER_BYTES = WHOLE.index(LAST) + len(LAST) + 24  # after the name: dimensions, the one, type, offset
on_disk = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path):
    def read(content: bytes) -> GgufHeader:
        path = tmp_path / "file.gguf"
        path.write_bytes(content)
        return read_gguf(path)

    return read


def test_it_reads_what_the_catalog_shows(read):
    header = read(WHOLE)
    assert header.architecture == "llama"
    assert header.kind == "model"
    assert header.quantization == "Q4_1"
    assert header.context_length == 2048
    assert header.license == "apache-2.0"
    assert header.vocabulary_size == 3
    assert header.chat_template_sha256 == sha256(b"{{ messages }}").hexdigest()
    assert header.shards == 1
    assert header.tensors == 2


def test_a_whole_file_has_exactly_the_size_that_its_header_asks_for(read):
    assert read(WHOLE).size_bytes == len(WHOLE)


@pytest.mark.parametrize("alignment", [8, 64, 4096])
def test_the_size_follows_the_alignment(read, alignment):
    content = a_gguf(alignment=alignment)
    assert read(content).size_bytes == len(content)


def test_version_2_is_read_too(read):
    assert read(a_gguf(version=2)).version == 2


def test_arrays_of_any_kind_are_stepped_over(read):
    header = read(a_gguf(a__numbers=[1, 2, 3], b__nested=[[1], [2, 3]], c__words=["x"] * 5, d__after="here"))
    assert header.values["d.after"] == "here"
    assert (header.lengths["a.numbers"], header.lengths["b.nested"], header.lengths["c.words"]) == (3, 2, 5)


def test_a_header_longer_than_one_read_is_read_whole(read):
    words = [f"word {number}" * 3 for number in range(120_000)]
    header = read(a_gguf(tokenizer__ggml__tokens=words, z__last="here"))
    assert header.vocabulary_size == 120_000
    assert header.values["z.last"] == "here"


def test_without_a_file_type_the_heaviest_tensor_type_names_the_quantization(read):
    assert read(a_gguf(without=["general.file_type"])).quantization == "F32"
    assert read(a_gguf(TENSORS[:1], without=["general.file_type"])).quantization == "Q4_1"


def test_a_tensor_type_newer_than_our_table_is_not_an_error(read):
    content = a_gguf((("new", (32,), 99, 0), *TENSORS))
    assert read(content).tensors == 3


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"general__type": "adapter"}, "adapter"),
        ({"general__type": "mmproj"}, "mmproj"),
        ({"general__architecture": "clip"}, "mmproj"),
        ({"without": ["general.type"]}, "model"),
    ],
)
def test_it_tells_a_model_from_what_is_loaded_beside_one(read, facts, kind):
    assert read(a_gguf(**facts)).kind == kind


def test_shards_say_how_many_they_are(read):
    assert read(a_gguf(split__no=("u16", 0), split__count=("u16", 3))).shards == 3


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html>" * 9, "not a GGUF file"),
        (b"GGUF" + pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + pack("<IQQ", 3, 0, 2**40), "keys"),
        (b"GGUF" + pack("<IQQ", 3, 2**40, 0), "tensors"),
        (b"GGUF" + pack("<IQQQ", 3, 0, 1, 2**63), "bytes in a key"),
        (a_gguf(alignment=24), "power of two"),
        (a_gguf((("flat", (2,) * 5, 0, 128),)), "5 dimensions"),
        (a_gguf((("odd", (33,), 3, 40),)), "shape"),
        (a_gguf((("huge", (2**40, 2**40), 0, 0),)), "shape"),
        (
            a_gguf((("first", (1,), 0, 4), ("second", (1,), 0, 4)), alignment=8).replace(
                b"general.alignment", b"x" * 17
            ),
            "aligned",
        ),
        (WHOLE.replace(b"llama.context_length", b"\xff" * 20), "ASCII"),
        (a_gguf(x="1", y="2").replace(pack("<Q", 1) + b"y", pack("<Q", 1) + b"x"), "twice"),
        (a_gguf(deep=[[[[[[1]]]]]]), "depth"),
    ],
)
def test_what_is_wrong_is_said(read, content, what):
    with pytest.raises(MalformedGguf, match=what) as caught:
        read(content)
    assert not caught.value.truncated


def test_a_string_longer_than_any_header_is_refused_without_reading_it(read):
    with pytest.raises(MalformedGguf, match="longer than any header"):
        read(b"GGUF" + pack("<IQQ", 3, 0, 1) + pack("<Q", 1) + b"k" + pack("<IQ", 8, 2**62))


@given(end=st.integers(0, HEADER_BYTES - 1))
@on_disk
def test_a_file_that_ends_inside_its_header_is_known_to_be_truncated(read, end):
    with pytest.raises(MalformedGguf) as caught:
        read(WHOLE[:end])
    assert caught.value.truncated


@given(end=st.integers(HEADER_BYTES, len(WHOLE) - 1))
@on_disk
def test_a_file_that_ends_inside_its_weights_is_smaller_than_its_header_asks_for(read, end):
    assert read(WHOLE[:end]).size_bytes > end


@given(place=st.integers(0, HEADER_BYTES - 1), byte=st.integers(0, 255))
@on_disk
def test_any_changed_byte_gives_a_header_or_is_called_malformed(read, place, byte):
    _header_or_malformed(read, WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :])


@given(tail=st.binary(max_size=400), kept=st.integers(0, HEADER_BYTES))
@on_disk
def test_any_bytes_after_any_start_give_a_header_or_are_called_malformed(read, kept, tail):
    _header_or_malformed(read, WHOLE[:kept] + tail)


@given(noise=st.binary(max_size=400))
@on_disk
def test_noise_after_a_right_start_gives_a_header_or_is_called_malformed(read, noise):
    _header_or_malformed(read, b"GGUF" + pack("<IQQ", 3, 5, 5) + noise)


def _header_or_malformed(read, content: bytes) -> None:
    try:
        header = read(content)
    except MalformedGguf as exc:
        assert str(exc)
    else:
        assert header.size_bytes > 0
        assert header.kind
        assert header.context_length is None or header.context_length > 0


def test_the_demo_model_is_read_as_llama_cpp_reads_it(demo_gguf):
    header = read_gguf(demo_gguf)
    assert (header.architecture, header.kind, header.license) == ("llama", "model", "apache-2.0")
    assert (header.context_length, header.vocabulary_size, header.quantization) == (8192, 49152, "Q4_1")
    assert header.size_bytes == demo_gguf.stat().st_size
    assert header.chat_template_sha256


def test_an_independent_reader_agrees_about_the_demo_model(demo_gguf):
    gguf = pytest.importorskip("gguf", reason="the independent reader comes with the extra `local`")
    witness, header = gguf.GGUFReader(demo_gguf), read_gguf(demo_gguf)
    assert header.tensors == len(witness.tensors)
    assert set(header.values) | set(header.lengths) == {key for key in witness.fields if not key.startswith("GGUF.")}
    assert header.size_bytes == max(it.data_offset + it.n_bytes for it in witness.tensors)
