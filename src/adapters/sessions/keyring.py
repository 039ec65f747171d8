"""A key of its own for every session, so that destroying the key erases the session.

Each key is 256 random bits, wrapped (AES-256-GCM) by the master key and kept in `keys.sqlite`, apart from the events.

What this protects against: somebody who gets the events without both the keys and the master key (a backup of
`sessions.sqlite`, a stolen copy of it) reads no content; and what was said in a session whose key is destroyed is gone
from every copy of the events, wherever those are.

What not: somebody who can read the whole folder, or the memory of the service, reads everything. A backup of
`keys.sqlite` and `master.key` brings a destroyed key back, so that erasure is complete only once such backups are gone;
the same goes for file-system snapshots and for what a disk keeps of overwritten blocks. Who did what and when (the
provenance of events) is not encrypted: audit needs it.
"""

import hmac
import os
import sqlite3
from pathlib import Path
from threading import Lock

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...domain.errors import GatewayError, NotFound

_KEY_BYTES, _NONCE_BYTES = 32, 12
_TABLE = "CREATE TABLE IF NOT EXISTS keys (session_id TEXT PRIMARY KEY, wrapped BLOB) WITHOUT ROWID"  # NULL: destroyed


class Keyring:
    """The keys of sessions. Blocking, for several threads of one process; the store translates SQLite's errors."""

    def __init__(self, folder: Path) -> None:
        """Open the keys in `folder`; the master key is made when there are no keys yet.

        Raises:
            GatewayError: there are keys, but no whole master key for them.
        """
        database = folder / "keys.sqlite"
        master = _master_key(folder / "master.key", new=not database.exists())
        self._master, self._labels = AESGCM(master), hmac.digest(master, b"labels of sessions", "sha256")
        database.touch(mode=0o600)
        self._lock = Lock()
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        # No write-ahead log, and freed bytes overwritten: a destroyed key must not live on in a file beside the table.
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(_TABLE)

    def create(self, session_id: str) -> bytes:
        """The key for a new session, on the disk when this returns; a key that is there already stays.

        Raises:
            NotFound: the session was erased.
        """
        wrapped = seal(self._master, os.urandom(_KEY_BYTES), session_id.encode())
        self._execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (session_id, wrapped))
        key = self.get(session_id)
        if key is None:
            raise NotFound.of("session", session_id)
        return key

    def get(self, session_id: str) -> bytes | None:
        """The session's key; None if there never was one, or if it is destroyed."""
        rows = self._execute("SELECT wrapped FROM keys WHERE session_id = ?", (session_id,))
        if not rows or rows[0][0] is None:
            return None
        try:
            return unseal(self._master, rows[0][0], session_id.encode())
        except InvalidTag as exc:
            raise GatewayError(
                detail="The key of a session cannot be unwrapped: this is not its master key, or it was altered."
            ) from exc

    def label(self, owner: str, name: str, value: str) -> bytes:
        """What a session with that metadata is found by: 32 bytes that tell nobody else what they stand for."""
        return hmac.digest(self._labels, "\x00".join((owner, name, value)).encode(), "sha256")

    def destroy(self, session_id: str) -> None:
        """Erase the session's key for ever; the session can never have another one."""
        self._execute(
            "INSERT INTO keys VALUES (?, NULL) ON CONFLICT (session_id) DO UPDATE SET wrapped = NULL", (session_id,)
        )

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._connection.close()

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[bytes | None]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def seal(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    """Encrypt: a random nonce, then the ciphertext with its tag. It opens only with the same `bound_to`."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def unseal(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypt what `seal` made; raises InvalidTag if anything of it was altered."""
    if len(sealed) < _NONCE_BYTES:
        raise InvalidTag
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)


def _master_key(path: Path, *, new: bool) -> bytes:
    if new and not path.exists():
        _write_durably(path, os.urandom(_KEY_BYTES))
    key = path.read_bytes() if path.exists() else b""
    if len(key) != _KEY_BYTES:
        raise GatewayError(
            detail="The master key of the sessions is missing or not whole: restore master.key, the stored sessions "
            "cannot be read without it."
        )
    return key


def _write_durably(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; under its name it is whole, also after a power cut."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
