"""Encryption at rest, for every family that keeps what clients say: AES-256-GCM, bound to where it is kept."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


def seal(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    """Encrypt: a random nonce, then the ciphertext with its tag. It opens only with the same `bound_to`."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def unseal(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypt what `seal` made; raises InvalidTag if anything of it was altered."""
    if len(sealed) < _NONCE_BYTES:
        raise InvalidTag
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
