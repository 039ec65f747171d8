"""Local runners over the scripted engine, in real child processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from attrs import evolve

from pluggably.adapters.runners.engines import text_engine
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.domain.generation import GenerationEvent, GenerationRequest
from tests.builders import a_model, a_request

from .scripted import PATH

SCRIPTED = {"scripted": text_engine("scripted", PATH)}


class Folder:
    """The folder of a scripted model: what its engine recorded, and how to hold it up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def put(self, name: str) -> None:
        (self.path / name).touch()

    def remove(self, name: str) -> None:
        (self.path / name).unlink()

    def lines(self, name: str) -> list[str]:
        file = self.path / name
        return file.read_text().splitlines() if file.exists() else []

    async def has(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(20):
            while len(self.lines(name)) < count:
                await asyncio.sleep(0.005)

    def request(self, prompt: str, **facts) -> GenerationRequest:
        model = a_model(self.path.name, path=str(self.path), engine="scripted", size_bytes=0)
        return evolve(a_request(prompt, model=model), **facts)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Folder]:
    return lambda name="tiny": Folder(tmp_path / name)


@pytest.fixture
async def make_runners() -> AsyncIterator[Callable[..., LocalRunners]]:
    made: list[LocalRunners] = []

    def make(**options) -> LocalRunners:
        made.append(LocalRunners(**({"engines": SCRIPTED} | options)))
        return made[-1]

    yield make
    await asyncio.gather(*(runners.close() for runners in made))


@pytest.fixture
def runners(make_runners) -> LocalRunners:
    return make_runners()


async def events_of(runners: LocalRunners, request: GenerationRequest) -> list[GenerationEvent]:
    return [event async for event in runners.generate(request)]
