"""What file names say, and that ids are unique, plain, and the same whatever the order of the scan."""

import re
from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.discovery import ModelFileName, Nameable, Names, SourceNote, is_unfinished, unique_names

DAY, LATER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
LABELS = ["Q4_1", "Q8_0", "BF16", None]
found = st.lists(
    st.builds(
        Nameable,
        st.sampled_from(["Smol", "smol", "smol-q4_1", "smol-q4_1-a", "Größe 3", "..."]),
        st.sampled_from(LABELS),
        st.sampled_from([f"{folder}{number}" for folder in ("", "a/", "a/b/", "q4_1/") for number in range(3)]),
        st.sampled_from([datetime(2030, 1, day, tzinfo=UTC) for day in (1, 2, 3)]),
    ),
    unique_by=lambda it: it.place,
)


@pytest.mark.parametrize(
    ("stem", "name", "quantization"),
    [
        ("SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct", "Q4_1"),
        ("Qwen2.5-0.5B-Instruct-Q4_K_M", "Qwen2.5-0.5B-Instruct", "Q4_K_M"),
        ("qwen2.5-0.5b-instruct-q4_k_m", "qwen2.5-0.5b-instruct", "q4_k_m"),
        ("Llama-3.2-1B-Instruct-IQ4_XS", "Llama-3.2-1B-Instruct", "IQ4_XS"),
        ("Qwen3-8B-UD-Q4_K_XL", "Qwen3-8B", "UD-Q4_K_XL"),
        ("gpt-oss-20b-MXFP4", "gpt-oss-20b", "MXFP4"),
        ("ggml-model-f16", "ggml-model", "f16"),
        ("bitnet-TQ2_0", "bitnet", "TQ2_0"),
        ("Qwen2.5-VL", "Qwen2.5-VL", None),
        ("Mistral-7B-v0.3", "Mistral-7B-v0.3", None),
        ("Q4_1", "Q4_1", None),
    ],
)
def test_a_file_name_is_a_name_and_a_quantization(stem, name, quantization):
    parsed = ModelFileName.parse(stem)
    assert (parsed.name, parsed.quantization, parsed.shards) == (name, quantization, 1)


def test_a_shard_says_its_number_and_how_many_there_are():
    parsed = ModelFileName.parse("Grok-100B-v1.0-Q4_0-00003-of-00009")
    assert (parsed.name, parsed.quantization) == ("Grok-100B-v1.0", "Q4_0")
    assert (parsed.series, parsed.shard, parsed.shards) == ("Grok-100B-v1.0-Q4_0", 3, 9)


@pytest.mark.parametrize("stem", ["tmpfoo", "template-7b", "party", "temperate-1b"])
def test_ordinary_names_are_not_taken_for_unfinished(stem):
    assert not is_unfinished(stem)


@given(found, st.randoms())
def test_ids_do_not_depend_on_the_order_of_the_scan(models, random):
    shuffled = random.sample(models, len(models))
    by_place = dict(zip((it.place for it in models), unique_names(models), strict=True))
    assert dict(zip((it.place for it in shuffled), unique_names(shuffled), strict=True)) == by_place


@given(found, st.data())
def test_a_model_that_comes_later_takes_no_name_from_those_that_are_there(models, data):
    late = data.draw(found.map(lambda several: [evolve(it, place=f"late/{it.place}", since=LATER) for it in several]))
    assert [it.id for it in unique_names(models)] == [it.id for it in unique_names([*models, *late])][: len(models)]


def test_a_model_goes_on_to_answer_to_its_id_when_an_older_one_of_its_name_is_removed():
    older, newer = Nameable("Smol", "Q4_1", "x", DAY), Nameable("Smol", "Q8_0", "y", LATER)
    assert unique_names([older, newer]) == [Names("smol", ("smol-q4_1",)), Names("smol-q8_0", ())]
    assert unique_names([newer]) == [Names("smol", ("smol-q8_0",))]


@given(found)
def test_ids_are_unique_and_plain(models):
    names = [it for model in unique_names(models) for it in (model.id, *model.aliases)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", it) for it in names)


@given(
    st.builds(
        SourceNote,
        source=st.text(),
        sha256=st.text(),
        size_bytes=st.integers(0, 2**60),
        files=st.integers(1, 99),
        license=st.none() | st.text(),
    )
)
def test_a_note_survives_being_written_down(note):
    assert SourceNote.from_json(note.to_json()) == note


@given(st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr))
def test_anything_else_is_no_note(text):
    assert SourceNote.from_json(text) is None
