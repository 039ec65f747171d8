"""Requests for meshes, as the tests of several providers need them."""

from pathlib import Path

import pytest
from attrs import evolve

from pluggably.domain.errors import GatewayError
from pluggably.domain.generation import GenerationRequest, InputFile, OutputFile

from ...builders import a_solid_request
from ...pictures import encoded

SECRET = "at /srv/secret"
"""What services say in these tests, and nobody may hear."""


def asked_of(
    provider, workspace: Path | None, *files: InputFile, model: str, words="A red chair", state=None, **wanted
):
    named = provider.match(f"stub/{model}")
    return evolve(a_solid_request(words, workspace, *files, model=named, **wanted), state=state)


def a_picture(folder: Path, kind: str = "PNG") -> InputFile:
    path = folder / f"secret-{kind}"
    path.write_bytes(encoded(kind, (64, 64)))
    return InputFile(path=str(path), media_type=f"image/{kind.lower()}")


def content_of(file: InputFile | OutputFile) -> bytes:
    return Path(file.path).read_bytes()


async def events_of(provider, request: GenerationRequest) -> list:
    return [event async for event in provider.generate(request)]


async def error_of(provider, request: GenerationRequest) -> GatewayError:
    """The error that a request ends with; its message has no word that only the service said."""
    with pytest.raises(GatewayError) as raised:
        await events_of(provider, request)
    assert SECRET not in str(raised.value)
    return raised.value
