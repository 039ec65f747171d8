"""Tells pickles by their content, whatever their names say: opening one runs whatever code it holds.

Nothing here is unpickled. What is not known for a pickle is not safe for that: engines open GGUF and safetensors only.
"""

import re
from pathlib import Path

SUFFIXES = (".bin", ".ckpt", ".pt", ".pth")
"""How files are called that mostly are pickles."""

_PROTOCOL = re.compile(rb"\x80[\x02-\x05]")
_ZIP = b"PK\x03\x04"
_HEAD_BYTES = 16


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins so is a pickle, or one of torch's archives of them."""
    return bool(_PROTOCOL.match(head)) or head.startswith(_ZIP)


def is_pickle_file(path: Path) -> bool:
    """Whether the file is one.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return is_pickle(file.read(_HEAD_BYTES))
