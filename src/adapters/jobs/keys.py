"""The key that jobs are encrypted with: a file of the data folder, or made from the sessions' master key."""

import hmac
import re
from pathlib import Path
from secrets import token_hex

from ...domain.errors import GatewayError
from ..key_file import write_once

_SECRET = re.compile(r"[0-9a-fA-F]{64}")


def job_key_in(path: Path) -> bytes:
    """The key in a file, which is made if it is not there. Blocks: to be called before the loop serves.

    Raises:
        GatewayError: the file holds something else, or cannot be read.
    """
    try:
        if not path.exists():
            write_once(path, f"{token_hex(32)}\n".encode())
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise GatewayError(
            detail=f"The key of jobs cannot be read or made: see to {path.name} in the data folder."
        ) from exc
    return job_key_of(text.strip())


def job_key_of(secret: str) -> bytes:
    """The key that is made from 64 hexadecimal digits.

    Raises:
        GatewayError: they are something else.
    """
    if not _SECRET.fullmatch(secret):
        raise GatewayError(detail="The key of jobs must be 64 hexadecimal digits, as `openssl rand -hex 32` prints.")
    return hmac.digest(bytes.fromhex(secret), b"jobs", "sha256")
