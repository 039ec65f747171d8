import base64

import pytest

from pluggably.adapters.providers.pictures.files import write_base64
from pluggably.domain.errors import ProviderBadResponse

PIECE = 2**20


def written(tmp_path, text: bytes) -> bytes:
    write_base64(memoryview(text), tmp_path / "file", "acme")
    return (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("place", range(PIECE - 5, PIECE + 3))
def test_an_escaped_slash_may_be_anywhere(tmp_path, place):
    plain = b"A" * place + b"/" + b"A" * (2 * PIECE - place - 1)
    assert written(tmp_path, plain.replace(b"/", rb"\/")) == base64.b64decode(plain)


@pytest.mark.parametrize("text", [b"AAA", b"AA=A", b"A A=", b"A\\nA", b"AAA\\", b"A" * (PIECE + 1)])
def test_what_is_not_base64_is_refused(tmp_path, text):
    with pytest.raises(ProviderBadResponse, match="not base64"):
        written(tmp_path, text)
