"""The tree that is kept as its subtrees is the tree of RFC 6962."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.merkle import CompactRange

ENTRIES = [
    bytes.fromhex(it)
    for it in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [  # of the first 0, 1, … 8 entries, as Certificate Transparency's own tests have them
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
some_entries = st.lists(st.binary(max_size=40), max_size=40)


def by_the_book(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + by_the_book(entries[:k]) + by_the_book(entries[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots(size):
    assert CompactRange().extended(ENTRIES[:size]).head().root.hex() == ROOTS[size]


@given(some_entries)
def test_the_root_is_that_of_the_recursive_definition(entries):
    head = CompactRange().extended(entries).head()
    assert (head.size, head.root) == (len(entries), by_the_book(entries))


@given(some_entries, some_entries)
def test_it_goes_on_from_what_was_kept(before, later):
    kept = CompactRange().extended(before)
    assert len(kept.subtrees) == len(before).bit_count()
    restored = CompactRange.of(kept.size, kept.to_bytes())
    assert restored.extended(later) == CompactRange().extended(before + later)


@pytest.mark.parametrize(("size", "kept"), [(-1, 0), (0, 32), (3, 32), (2, 31), (4, 64)])
def test_what_cannot_be_the_subtrees_of_a_size_is_refused(size, kept):
    with pytest.raises(ValueError, match="of that size"):
        CompactRange.of(size, bytes(kept))
