"""Signed notes, <https://c2sp.org/signed-note>, with Ed25519: text, an empty line, and signatures, each a line.

    — <name of the key> <base64 of the key's short id (4 bytes) and the signature (64 bytes)>⏎

What is signed is the text with its last line feed. Signatures of others, such as witnesses, are passed over.
"""

import re
from hashlib import sha256

from ...application.audit import Signer
from .lines import from_base64, to_base64
from .signing import is_signed

_ED25519 = b"\x01"
_SHORT_ID_BYTES = 4
_FORM = re.compile(r"(?P<text>.*\n)\n(?P<signatures>(?:— [^ \n]+ [^ \n]+\n)+)", re.DOTALL)


def sign_note(text: str, *, name: str, signer: Signer) -> str:
    """The note of a text, which ends with a line feed; `name` has no white space and no plus sign."""
    signed = short_id(name, signer.public_key().raw) + signer.sign(text.encode())
    return f"{text}\n— {name} {to_base64(signed)}\n"


def read_note(note: str, *, name: str, public: bytes) -> str:
    """The text that the key of that name, whose 32 bytes are `public`, has signed.

    Raises:
        ValueError: it is no note, or that key has not signed it.
    """
    if (form := _FORM.fullmatch(note)) is None:
        raise ValueError("not a signed note")
    ours = f"— {name} "
    signatures = [line.removeprefix(ours) for line in form["signatures"].split("\n") if line.startswith(ours)]
    if not any(_is_ours(from_canonical(it), form["text"].encode(), name, public) for it in signatures):
        raise ValueError("not signed by that key")
    return form["text"]


def short_id(name: str, public: bytes) -> bytes:
    """What a signature line tells the key by, beside its name."""
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_SHORT_ID_BYTES]


def from_canonical(text: str) -> bytes:
    """Base64 in its one canonical spelling, so that no character can be changed unseen; raises ValueError."""
    content = from_base64(text)
    if to_base64(content) != text:
        raise ValueError("not canonical base64")
    return content


def _is_ours(signed: bytes, text: bytes, name: str, public: bytes) -> bool:
    given, signature = signed[:_SHORT_ID_BYTES], signed[_SHORT_ID_BYTES:]
    return given == short_id(name, public) and is_signed(text, signature, public)
