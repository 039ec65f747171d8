"""Checkpoints are signed notes as others write and read them; whatever is changed in one, it is not signed any more."""

from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.audit.notes import SigningNotes, key_name, read_checkpoint
from pluggably.adapters.audit.signed_note import read_note, short_id
from pluggably.adapters.audit.signing import SigningKey, seed_of
from pluggably.domain.errors import GatewayError
from pluggably.domain.merkle import CompactRange, TreeHead

KEY = SigningKey(Path("nowhere"), seed=bytes(range(32)))
PUBLIC = KEY.public_key().raw
HEAD = CompactRange().extended([bytes([it]) * 32 for it in range(5)]).head()
NOTE = """\
pluggably/56475aa75463474c
5
heIMrB8C/ae82y/D+QhWjFcBjHeBXx+jYaytE5lPCL8=

— pluggably/56475aa75463474c \
Spihhr79ngeVZ6t+wZtqzFUnjICuPQhtN4RFLi2FnlJCYUNpVjCUCci/2FMNJgZd1sbK5U83VQnefweYL2GjDkq+lg0=
"""
"""Was opened, and its root computed, by Go's `sumdb/note` and `sumdb/tlog` with the key
`pluggably/56475aa75463474c+4a98a186+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4`."""

OF_THE_GO_DOCUMENTATION = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
VERIFIER_KEYS = [  # <name>+<short id>+<base64 of 0x01 and the public key>
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    "pluggably/56475aa75463474c+4a98a186+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
]


def parts_of(verifier_key: str) -> tuple[str, str, bytes]:
    name, short, encoded = verifier_key.split("+", 2)
    return name, short, b64decode(encoded)[1:]


@pytest.mark.parametrize("verifier_key", VERIFIER_KEYS)
def test_keys_are_named_as_others_name_them(verifier_key):
    name, short, public = parts_of(verifier_key)
    assert short_id(name, public).hex() == short


def test_a_note_that_others_signed_is_read():
    name, _, public = parts_of(VERIFIER_KEYS[0])
    text = read_note(OF_THE_GO_DOCUMENTATION, name=name, public=public)
    assert text == OF_THE_GO_DOCUMENTATION.partition("\n\n")[0] + "\n"


def test_a_checkpoint_is_the_note_that_others_read():
    assert SigningNotes(KEY).sign(HEAD) == NOTE
    assert read_checkpoint(NOTE, PUBLIC) == HEAD


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_read(size, root):
    notes = SigningNotes(KEY)
    assert notes.read(notes.sign(TreeHead(size, root))) == TreeHead(size, root)


@pytest.mark.parametrize("place", range(len(NOTE.encode())))
def test_any_byte_that_was_changed_is_noticed(place):
    raw = bytearray(NOTE.encode())
    for flip in (1, 32, 128):
        raw[place] ^= flip
        with pytest.raises(ValueError):
            read_checkpoint(raw.decode(errors="replace"), PUBLIC)
        raw[place] ^= flip


def test_signatures_of_witnesses_are_passed_over():
    witness = "— witness.example/w1 " + "A" * 92 + "\n"
    assert read_checkpoint(NOTE + witness, PUBLIC) == HEAD
    body, _, ours = NOTE.partition("\n\n")
    assert read_checkpoint(f"{body}\n\n{witness}{ours}", PUBLIC) == HEAD


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        NOTE.partition("\n\n")[0] + "\n\n",
        NOTE + "\n",
        NOTE.replace("\n5\n", "\n05\n"),
        NOTE.removesuffix("\n"),
    ],
)
def test_what_is_no_note_of_ours_is_refused(note):
    with pytest.raises(ValueError, match="not"):
        read_checkpoint(note, PUBLIC)


def test_a_note_of_another_key_is_refused():
    other = SigningKey(Path("nowhere"), seed=bytes(32)).public_key().raw
    assert key_name(other) != key_name(PUBLIC)
    with pytest.raises(ValueError, match="not signed by that key"):
        read_checkpoint(NOTE, other)


def test_a_text_of_ours_that_is_no_checkpoint_is_refused():
    class Elsewhere:
        def public_key(self):
            return KEY.public_key()

        def sign(self, message):
            return KEY.sign(message.replace(b"\n5\n", b"\nfive\n"))

    note = SigningNotes(Elsewhere()).sign(HEAD).replace("\n5\n", "\nfive\n")
    assert read_note(note, name=key_name(PUBLIC), public=PUBLIC)
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(note, PUBLIC)


def test_a_shared_key_is_64_hexadecimal_digits():
    assert seed_of("0A" * 32) == bytes([10]) * 32
    for value in ("", "0a" * 31, "zz" * 32):
        with pytest.raises(GatewayError, match="64 hexadecimal digits"):
            seed_of(value)
