"""What every `Generator` of pictures or meshes promises; a test module per adapter subclasses this."""

import asyncio
from contextlib import aclosing
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve

from ..application.ports import Generator
from ..domain.errors import GatewayError, StateTokenRefused
from ..domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationRequest,
    OutputFile,
    Progress,
    Started,
)

MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
    "model/gltf-binary": b"glTF",
    "model/obj": (b"#", b"v ", b"o ", b"mtllib "),
}


async def events_of(generator, request):
    return [event async for event in generator.generate(request)]


def content_of(file: OutputFile) -> bytes:
    return Path(file.path).read_bytes()


def left_in(workspace: str) -> set[str]:
    return {str(path) for path in Path(workspace).iterdir()}


class MediaGeneratorContract:
    """Fixtures to provide: `generator`, and `request_`: one that it takes at least 4 steps for, without a workspace."""

    @pytest.fixture
    def generator(self) -> Generator:
        raise NotImplementedError

    @pytest.fixture
    def request_(self) -> GenerationRequest:
        raise NotImplementedError

    @pytest.fixture
    def placed(self, request_, tmp_path):
        """The request, each time with a workspace of its own."""
        numbers = count()

        def placed() -> GenerationRequest:
            workspace = tmp_path / f"workspace-{next(numbers)}"
            workspace.mkdir()
            return evolve(request_, workspace=str(workspace))

        return placed

    async def test_it_starts_goes_on_and_completes_in_this_order(self, generator, placed):
        events = await events_of(generator, placed())
        assert isinstance(events[0], Started)
        assert isinstance(events[-1], Completed)
        assert all(isinstance(event, Progress) for event in events[1:-1])

    async def test_steps_only_grow_and_end_at_their_number(self, generator, placed):
        progress = (await events_of(generator, placed()))[1:-1]
        steps = [event.step for event in progress]
        assert steps == sorted(set(steps))
        assert (steps[0] > 0, len({event.steps for event in progress})) == (True, 1)
        assert steps[-1] == progress[-1].steps >= 4

    async def test_its_files_are_in_the_workspace_and_what_they_are_said_to_be(self, generator, placed):
        request = placed()
        completed = (await events_of(generator, request))[-1]
        assert completed.files
        assert completed.finish_reason is FinishReason.STOP
        for file in completed.files:
            assert content_of(file).startswith(MAGIC[file.media_type])
            assert file.facts.keys() >= ({"width", "height"} if file.media_type[:5] == "image" else {"faces", "bounds"})
        assert {file.path for file in completed.files} == left_in(request.workspace)

    async def test_usage_and_the_seed_are_told(self, generator, placed):
        completed = (await events_of(generator, placed()))[-1]
        assert completed.usage.input_tokens >= 0
        assert completed.seed is not None

    async def test_requests_run_side_by_side_each_in_its_workspace(self, generator, placed):
        requests = [evolve(placed(), id=f"gen_{number}") for number in range(3)]
        for request, events in zip(
            requests, await asyncio.gather(*(events_of(generator, it) for it in requests)), strict=True
        ):
            assert {Path(file.path).parent for file in events[-1].files} == {Path(request.workspace)}

    async def test_a_state_that_it_never_gave_is_refused_before_any_step(self, generator, placed):
        foreign = evolve(placed(), state=BackendState(kind="somebody.else", value="x"))
        with pytest.raises(StateTokenRefused):
            async for event in generator.generate(foreign):
                assert isinstance(event, Started)

    async def test_closing_early_leaves_it_usable(self, generator, placed):
        async with aclosing(generator.generate(placed())) as events:
            async for event in events:
                if isinstance(event, Progress):
                    break
        assert isinstance((await events_of(generator, placed()))[-1], Completed)

    async def test_cancelling_the_waiting_task_leaves_it_usable(self, generator, placed):
        started = asyncio.Event()

        async def consume() -> None:
            async for _ in generator.generate(placed()):
                started.set()

        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance((await events_of(generator, placed()))[-1], Completed)

    async def test_without_a_workspace_it_fails_and_stays_usable(self, generator, request_, placed):
        with pytest.raises(GatewayError, match="no workspace"):
            await events_of(generator, request_)
        assert isinstance((await events_of(generator, placed()))[-1], Completed)
