"""Forms with files, multipart/form-data (RFC 7578), written as they are sent.

A file is read piece by piece while it goes out, and once more if the form has to be sent again; its size is known
before, so that servers that want a Content-Length have one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Final

from attrs import frozen

from ...disk_errors import disk_errors
from ...workspace import in_thread

PIECE_BYTES: Final = 2**18


@frozen(kw_only=True)
class FormFile:
    """A file of a form; `filename` is what the server is told, never where the file is."""

    field: str
    path: Path
    filename: str
    media_type: str


class Form:
    """A body for `Upstream.post`, with the headers that go with it."""

    def __init__(self, fields: Mapping[str, str], files: Sequence[FormFile]) -> None:
        """Looks at how large the files are."""
        boundary = token_hex(16)
        self._fields = b"".join(_head(boundary, name) + value.encode() + b"\r\n" for name, value in fields.items())
        self._files = [(_file_head(boundary, file), file.path) for file in files]
        self._end = f"--{boundary}--\r\n".encode()
        with disk_errors():
            sizes = sum(len(head) + path.stat().st_size + 2 for head, path in self._files)
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._fields) + sizes + len(self._end)),
        }

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._fields
        for head, path in self._files:
            yield head
            with disk_errors(), path.open("rb") as file:
                while piece := await in_thread(file.read, PIECE_BYTES):
                    yield piece
            yield b"\r\n"
        yield self._end


def _head(boundary: str, name: str, more: str = "") -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()


def _file_head(boundary: str, file: FormFile) -> bytes:
    return _head(boundary, file.field, f'; filename="{file.filename}"\r\nContent-Type: {file.media_type}')
