"""Which models make room for another."""

from hypothesis import given
from hypothesis import strategies as st

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


def test_the_estimate_is_near_what_was_measured():
    assert 450e6 < estimate_bytes(98_362_432, 16_384) < 700e6  # 547 MB resident
