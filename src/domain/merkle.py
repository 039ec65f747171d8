"""The Merkle tree of RFC 6962 (section 2.1) over a log that only grows, without the log.

A tree of `n` entries is the perfect trees that the binary digits of `n` name, the largest first, joined from the right.
Their roots are all that must be kept to add entries and to tell the root: at most one for each digit.
"""

from collections.abc import Iterable
from hashlib import sha256

from attrs import frozen

HASH_BYTES = 32
_LEAF, _NODE = b"\x00", b"\x01"  # so that no entry can be taken for a node


@frozen
class TreeHead:
    """What a log of `size` entries was: `root` is the hash of the tree over all of them, 32 bytes."""

    size: int
    root: bytes


@frozen
class CompactRange:
    """A tree as it is kept: how many entries it has, and the roots of its perfect subtrees, the largest first."""

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, size: int, kept: bytes) -> "CompactRange":
        """The tree that `to_bytes` was made of; raises ValueError if there is none of that size."""
        if size < 0 or len(kept) != HASH_BYTES * size.bit_count():
            raise ValueError("not the subtrees of a tree of that size")
        return cls(size, tuple(kept[at : at + HASH_BYTES] for at in range(0, len(kept), HASH_BYTES)))

    def to_bytes(self) -> bytes:
        """The subtrees, one after the other."""
        return b"".join(self.subtrees)

    def extended(self, entries: Iterable[bytes]) -> "CompactRange":
        """The tree with more entries."""
        size, subtrees = self.size, list(self.subtrees)
        for entry in entries:
            node, carried = sha256(_LEAF + entry).digest(), size
            while carried & 1:
                node = sha256(_NODE + subtrees.pop() + node).digest()
                carried >>= 1
            subtrees.append(node)
            size += 1
        return CompactRange(size, tuple(subtrees))

    def head(self) -> TreeHead:
        """The root, and what it is the root of."""
        if not self.subtrees:
            return TreeHead(0, sha256().digest())
        *left, root = self.subtrees
        for subtree in reversed(left):
            root = sha256(_NODE + subtree + root).digest()
        return TreeHead(self.size, root)
