"""The keys that URLs are signed with: a list of secrets, the first of which signs while all of them are honoured.

Each is 64 hexadecimal digits, as `openssl rand -hex 32` prints them, on a line of its own in `url.keys`, or between
spaces in a value that several hosts share. To change keys, put a new one before the others, and take the old one away
once the last URL that it signed has expired. A key's id is the first eight digits of its secret's sha256.
"""

import re
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from ...domain.errors import GatewayError
from ...domain.signed_url import UrlKey
from ..key_file import write_once

_KEY_BYTES = 32
_SECRET = re.compile(rf"[0-9a-fA-F]{{{2 * _KEY_BYTES}}}")


def url_keys_in(path: Path) -> tuple[UrlKey, ...]:
    """The keys in a file, which is made with one if it is not there. Blocks: to be called before the loop serves.

    Raises:
        GatewayError: the file holds something else, or cannot be read.
    """
    try:
        if not path.exists():
            write_once(path, f"{token_hex(_KEY_BYTES)}\n".encode())
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise GatewayError(
            detail="The keys of URLs cannot be read or made: see to url.keys in the data folder."
        ) from exc
    return url_keys_of("\n".join(line.partition("#")[0] for line in text.splitlines()))


def url_keys_of(text: str) -> tuple[UrlKey, ...]:
    """The keys in a text.

    Raises:
        GatewayError: there is none, or something else among them.
    """
    secrets = text.split()
    if not secrets or not all(map(_SECRET.fullmatch, secrets)):
        raise GatewayError(
            detail=f"A key of URLs must be {2 * _KEY_BYTES} hexadecimal digits: make one with `openssl rand -hex 32`."
        )
    return tuple(UrlKey(sha256(secret).hexdigest()[:8], secret) for secret in map(bytes.fromhex, secrets))
