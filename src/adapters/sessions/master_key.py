"""The master key, which wraps the key of every session: a file in the data folder, or a value that hosts share."""

import os
import re
from pathlib import Path

from ...domain.errors import GatewayError
from ..key_file import write_once

KEY_BYTES = 32


def master_key_in(path: Path, *, new: bool) -> bytes:
    """The key that the file holds; `new` makes the file if it is not there: nothing was encrypted yet.

    Raises:
        GatewayError: there is no file, or not a whole key in it.
    """
    if new and not path.exists():
        write_once(path, os.urandom(KEY_BYTES))
    key = path.read_bytes() if path.exists() else b""
    if len(key) != KEY_BYTES:
        raise GatewayError(
            detail="The master key of the sessions is missing or not whole: restore master.key, the stored sessions "
            "cannot be read without it."
        )
    return key


def master_key_of(value: str) -> bytes:
    """The key that is written as 64 hexadecimal digits, as `openssl rand -hex 32` prints one.

    Raises:
        GatewayError: the value is something else.
    """
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", value):
        raise GatewayError(
            detail=f"The master key of the sessions must be {2 * KEY_BYTES} hexadecimal digits: make one with "
            "`openssl rand -hex 32`."
        )
    return bytes.fromhex(value)
