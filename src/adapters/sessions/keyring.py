"""A key of its own for every session, so that destroying the key erases the session.

Each key is 256 random bits, wrapped (AES-256-GCM) by the master key and kept in a table of wrapped keys: on SQLite in a
file apart from the events, on PostgreSQL in the database of the events.

What this protects against: somebody who gets the events without both the keys and the master key (a backup of
`sessions.sqlite`, a dump of the database) reads no content; and what was said in a session whose key is destroyed is
gone from every copy of the events, wherever those are.

What not: somebody who can read the whole folder, or the database and the master key, or the memory of the service,
reads everything. A backup of the keys and the master key brings a destroyed key back, so that erasure is complete only
once such backups are gone; the same goes for file-system snapshots and for what a disk keeps of overwritten blocks.
Who did what and when (the provenance of events) is not encrypted: audit needs it.
"""

import hmac
import os
from collections.abc import Collection, Mapping
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...domain.errors import GatewayError
from ..sealing import seal, unseal
from .master_key import KEY_BYTES


class WrappedKeys(Protocol):
    """Where wrapped keys are kept, one a session. Blocking, for several threads; every call is durable at its end."""

    def put(self, keys: Mapping[str, bytes]) -> None:
        """Keep the keys of sessions, but for those that have one or had one that was destroyed."""

    def get(self, session_ids: Collection[str]) -> Mapping[str, bytes]:
        """The keys of these sessions; without those that never had one, or whose key is destroyed."""
        ...

    def destroy(self, session_ids: Collection[str]) -> None:
        """Forget these keys for ever; none of the sessions can have another one."""

    def destroyed(self) -> Collection[str]:
        """The sessions whose key was destroyed."""
        ...


class Keyring:
    """The keys of sessions. Blocking, for several threads."""

    def __init__(self, master: bytes, wrapped: WrappedKeys) -> None:
        """`master` has 32 bytes."""
        self._master, self._labels = AESGCM(master), hmac.digest(master, b"labels of sessions", "sha256")
        self._wrapped = wrapped

    def create(self, *session_ids: str) -> None:
        """Make keys for new sessions, durable when this returns; where there is or was one, none is made."""
        keys = {it: seal(self._master, os.urandom(KEY_BYTES), it.encode()) for it in session_ids}
        if keys:
            self._wrapped.put(keys)

    def get(self, session_id: str) -> bytes | None:
        """The session's key; None if there never was one, or if it is destroyed."""
        return self.several((session_id,)).get(session_id)

    def several(self, session_ids: Collection[str]) -> dict[str, bytes]:
        """The keys of these sessions; without those that never had one, or whose key is destroyed."""
        try:
            return {it: unseal(self._master, key, it.encode()) for it, key in self._wrapped.get(session_ids).items()}
        except InvalidTag as exc:
            raise GatewayError(
                detail="The key of a session cannot be unwrapped: this is not its master key, or it was altered."
            ) from exc

    def label(self, owner: str, name: str, value: str) -> bytes:
        """What a session with that metadata is found by: 32 bytes that tell nobody else what they stand for."""
        return hmac.digest(self._labels, "\x00".join((owner, name, value)).encode(), "sha256")

    def destroy(self, *session_ids: str) -> None:
        """Erase these keys for ever; the sessions can never have other ones."""
        self._wrapped.destroy(session_ids)

    def destroyed(self) -> frozenset[str]:
        """The sessions whose key was erased."""
        return frozenset(self._wrapped.destroyed())
