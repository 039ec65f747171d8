"""The gateway's signing key: Ed25519 (RFC 8032), 32 bytes in `signing.key`, which only its owner may read.

Or a value that hosts share: those on one database need the same key, to go on from each other's checkpoints.

Its id is the first 16 hex digits of the sha256 over the raw public key. What it cannot do: be replaced by another one
while exports under the first are still to be checked; keep the old public key for that.
"""

import os
import re
from hashlib import sha256
from pathlib import Path
from threading import Lock

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ...application.audit import PublicKey
from ...domain.errors import GatewayError
from ..key_file import write_once

_KEY_BYTES = 32


class SigningKey:
    """Implements `Signer`. Blocking; for several threads, and several processes on one folder."""

    def __init__(self, folder: Path, *, seed: bytes | None = None) -> None:
        """The key is `seed`, 32 bytes, or in `folder`; both the file and the folder are made at the first use."""
        self._folder = folder
        self._lock = Lock()
        self._private = Ed25519PrivateKey.from_private_bytes(seed) if seed else None

    def public_key(self) -> PublicKey:
        """The public half."""
        raw = self._key().public_key().public_bytes_raw()
        return PublicKey(id=key_id(raw), raw=raw)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        with self._lock:
            if self._private is None:
                self._private = Ed25519PrivateKey.from_private_bytes(_seed(self._folder / "signing.key"))
            return self._private


def seed_of(value: str) -> bytes:
    """The key that is written as 64 hexadecimal digits, as `openssl rand -hex 32` prints one.

    Raises:
        GatewayError: the value is something else.
    """
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * _KEY_BYTES}}}", value):
        raise GatewayError(
            detail=f"The signing key must be {2 * _KEY_BYTES} hexadecimal digits: make one with `openssl rand -hex 32`."
        )
    return bytes.fromhex(value)


def key_id(public: bytes) -> str:
    """The short name of a raw public key."""
    return sha256(public).hexdigest()[:16]


def is_signed(message: bytes, signature: bytes, public: bytes) -> bool:
    """Whether that key made that signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _seed(path: Path) -> bytes:
    try:
        if not path.exists():
            write_once(path, os.urandom(_KEY_BYTES))
        seed = path.read_bytes()
    except OSError as exc:
        raise GatewayError(detail="The signing key cannot be read or made: see to the data folder.") from exc
    if len(seed) != _KEY_BYTES:
        raise GatewayError(detail="The signing key is not whole: restore signing.key.")
    return seed
