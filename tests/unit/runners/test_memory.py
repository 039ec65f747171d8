"""Which models make room for another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.runners.engines import ENGINES
from pluggably.adapters.runners.memory import Resident, to_unload
from pluggably.domain.memory import estimate_bytes

residents = st.lists(
    st.builds(
        Resident,
        key=st.uuids().map(str),
        size_bytes=st.integers(1, 100),
        busy=st.booleans(),
        last_used=st.floats(0, 1000),
    ),
    max_size=8,
)


@given(residents, st.integers(0, 200), st.integers(0, 400))
def test_there_is_room_afterwards_and_nobody_busy_had_to_go(loaded, needed, limit):
    chosen = to_unload(loaded, needed_bytes=needed, limit_bytes=limit)
    busy = sum(it.size_bytes for it in loaded if it.busy)
    if chosen is None:
        assert busy + needed > limit
        return
    assert not [it for it in loaded if it.busy and it.key in chosen]
    assert sum(it.size_bytes for it in loaded if it.key not in chosen) + needed <= limit


@given(residents, st.integers(0, 200), st.integers(0, 400))
def test_those_who_go_were_used_before_all_idle_ones_who_stay_and_none_goes_in_vain(loaded, needed, limit):
    chosen = to_unload(loaded, needed_bytes=needed, limit_bytes=limit) or ()
    gone = [it for it in loaded if it.key in chosen]
    stay = [it for it in loaded if it.key not in chosen and not it.busy]
    assert all(one.last_used <= other.last_used for one in gone for other in stay)
    if gone:
        last = next(it for it in gone if it.key == chosen[-1])
        left = sum(it.size_bytes for it in loaded if it.key not in chosen) + last.size_bytes
        assert left + needed > limit


@pytest.mark.parametrize(
    ("engine", "stored_as", "file_bytes", "context_tokens", "resident_mib"),
    [
        ("llama_cpp", "Q4_1", 98_362_432, 16_384, 522),
        ("transformers_text", "BF16", 269_060_552, 16_384, 1230),
        ("transformers_text", "F16", 269_060_280, 8_192, 1310),
        ("transformers_text", "F16", 269_060_280, 16_384, 1464),
        ("diffusers_image", "F16", 5_933_606, 8_192, 467),
        ("shap_e", "F32", 1_161_596, 8_192, 456),
    ],
)
def test_the_estimate_is_near_what_was_measured(engine, stored_as, file_bytes, context_tokens, resident_mib):
    footprint = ENGINES[engine].profile.footprint
    needed = estimate_bytes(footprint, file_bytes=file_bytes, stored_as=stored_as, context_tokens=context_tokens)
    assert 0.85 < needed / (resident_mib * 2**20) < 1.15


@pytest.mark.parametrize("engine", ["diffusers_image", "shap_e", "transformers_text"])
def test_float16_takes_twice_its_files_and_other_types_what_they_have(engine):
    footprint, no_context = ENGINES[engine].profile.footprint, {"context_tokens": 0}
    empty = estimate_bytes(footprint, file_bytes=0, stored_as="F16", **no_context)
    for stored_as, times in (("F16", 2), ("BF16", 1), ("F32", 1), (None, 1)):
        needed = estimate_bytes(footprint, file_bytes=10**9, stored_as=stored_as, **no_context)
        assert needed - empty == times * 10**9


def test_what_has_no_context_takes_no_memory_for_one():
    for engine in ("diffusers_image", "shap_e"):
        short, long = (
            estimate_bytes(ENGINES[engine].profile.footprint, file_bytes=10**9, stored_as="F32", context_tokens=tokens)
            for tokens in (1, 100_000)
        )
        assert short == long
