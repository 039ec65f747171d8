"""Checkpoints, <https://c2sp.org/tlog-checkpoint>: signed notes whose text says what a log was.

pluggably/4f1c2e…⏎          the log, named by the key that signs it
42⏎                         how many events
<base64 of the root>⏎
"""

import re

from ...application.audit import Signer
from ...domain.merkle import HASH_BYTES, TreeHead
from .lines import to_base64
from .signed_note import from_canonical, read_note, sign_note
from .signing import key_id

_TEXT = re.compile(r"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[^\n]+)\n")


class SigningNotes:
    """Implements `Notes` with the gateway's key."""

    def __init__(self, signer: Signer) -> None:
        """`signer` is asked when it is first needed."""
        self._signer = signer

    def sign(self, head: TreeHead) -> str:
        """The note."""
        name = key_name(self._signer.public_key().raw)
        return sign_note(f"{name}\n{head.size}\n{to_base64(head.root)}\n", name=name, signer=self._signer)

    def read(self, note: str) -> TreeHead:
        """What it says, if this key has signed it."""
        return read_checkpoint(note, self._signer.public_key().raw)


def read_checkpoint(note: str, public: bytes) -> TreeHead:
    """What a note says that the key of these 32 bytes has signed.

    Raises:
        ValueError: it is no checkpoint, or that key has not signed it.
    """
    name = key_name(public)
    text = _TEXT.fullmatch(read_note(note, name=name, public=public))
    if text is None or text["origin"] != name or len(root := from_canonical(text["root"])) != HASH_BYTES:
        raise ValueError("not a checkpoint of the log that this key signs")
    return TreeHead(int(text["size"]), root)


def key_name(public: bytes) -> str:
    """The name of a key in notes, and of the log that it signs."""
    return f"pluggably/{key_id(public)}"
