"""Local models on a real Ray cluster of two nodes: what gateways share, and what goes wrong."""

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from attrs import evolve

from pluggably.adapters.artifacts.s3 import S3ArtifactFiles
from pluggably.adapters.runners.engines import ENGINES
from pluggably.domain.errors import (
    InvalidRequest,
    ModelBusy,
    Overloaded,
    RunnerCrashed,
    RunnerOutOfMemory,
)
from pluggably.domain.generation import Completed, InputFile, TextDelta
from pluggably.domain.model import ModelStatus
from tests.builders import a_model, a_request
from tests.integration.service import Service

from .conftest import SCRIPTED, Folder, events_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.ray]


class Kept(Folder):
    """A scripted model that is one file, whatever its engine records beside it."""

    def __init__(self, path) -> None:
        super().__init__(path)
        (path / "model").write_text(str(path))  # another file, another application

    def request(self, prompt, **facts):
        request = super().request(prompt, **facts)
        return evolve(request, model=evolve(request.model, path=str(self.path / "model")))


@pytest.fixture
def folder(tmp_path):
    return lambda name="tiny": Kept(tmp_path / name)


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(ray_cluster, tmp_path):
    """Makes gateways of one cluster; what they have loaded is unloaded at the end."""
    from pluggably.adapters.runners.ray_serve.host import RayRunners
    from pluggably.adapters.runners.ray_serve.node_files import FileSource

    made = []

    def make(**options) -> RayRunners:
        source = FileSource(folder=str(tmp_path / "node"))
        ordinary = {"engines": SCRIPTED, "source": source, "cpus": 1}
        made.append(RayRunners(address=ray_cluster.address, **(ordinary | options)))
        return made[-1]

    yield make
    for runners in made:
        for work in runners._works.values():
            await runners._link.unload(work.application.model_id)
        await runners.close()


@asynccontextmanager
async def held(runners, model, number=0, **facts):
    """A request that is at work until it is released."""
    task = asyncio.create_task(events_of(runners, model.request(f"hold {number}", **facts)))
    await model.has("holding", number + 1)
    yield task
    model.put("release")
    await asyncio.wait({task})


async def replica_of(runners, model, session_id):
    """Which process answers."""
    return (await events_of(runners, model.request("where", session_id=session_id)))[-1].output[0].text


async def test_what_one_gateway_loaded_is_there_for_another_and_for_one_that_comes_back(gateway, folder):
    first, second, model = gateway(), gateway(), folder()
    await events_of(first, model.request("say 1"))
    await events_of(second, model.request("say 1"))
    assert len(model.lines("loads")) == 1
    async with held(first, model):
        with pytest.raises(ModelBusy):
            await second.unload("tiny")
    await first.close()
    again = gateway()
    await again.load(model.request("x").model)
    assert (again.status("tiny"), len(model.lines("loads"))) == (ModelStatus.LOADED, 1)
    await second.unload("tiny")
    assert isinstance((await events_of(again, model.request("say 1")))[-1], Completed)  # which did not know that yet
    assert len(model.lines("loads")) == 2


async def test_a_model_that_no_gateway_uses_is_unloaded_and_a_pinned_one_with_its_gateway(gateway, folder):
    idle, pinned = folder("idle"), folder("pinned")
    runners, other = gateway(keep_alive_s=0), gateway(keep_alive_s=0)
    runners.keep({"pinned"})
    await asyncio.gather(*(events_of(runners, it.request("say 1")) for it in (idle, pinned)))
    await idle.has("closes")
    assert runners.status("pinned") is ModelStatus.LOADED
    await runners.close()
    await other.load(idle.request("x").model)
    await pinned.has("closes")


async def test_errors_and_files_cross_the_cluster(gateway, folder, tmp_path):
    runners, model = gateway(), folder()
    with pytest.raises(InvalidRequest) as refused:
        await events_of(runners, model.request("refuse"))
    assert refused.value.violations[0].pointer == "/parameters/top_k"
    with pytest.raises(RunnerCrashed) as failed:
        await events_of(runners, model.request("fail"))
    assert "secret" not in str(failed.value)
    shown, workspace = tmp_path / "shown.png", tmp_path / "workspace"
    shown.write_bytes(b"a picture")
    workspace.mkdir()
    files = (InputFile(path=str(shown), media_type="image/png"),)
    events = await events_of(runners, model.request("copy", files=files, workspace=str(workspace)))
    (made,) = events[-1].files
    assert (made.path, (workspace / "copy.png").read_bytes()) == (str(workspace / "copy.png"), b"a picture")


async def test_a_full_queue_turns_away_and_whoever_leaves_stops_the_engine(gateway, folder):
    runners, model = gateway(parallel=1, queue_limit=1), folder()
    async with held(runners, model), aclosing(runners.generate(model.request("hold 1"))) as waiting:
        first = asyncio.ensure_future(anext(waiting))
        async with asyncio.timeout(20):
            while True:  # until the one that waits is known to
                try:
                    await asyncio.wait_for(events_of(runners, model.request("say 1")), 0.2)
                except Overloaded as error:
                    assert error.retry_after_s >= 1
                    break
                except TimeoutError:
                    continue
        first.cancel()
        await asyncio.wait({first})
    model.remove("release")
    async with aclosing(runners.generate(model.request("hold 2"))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    await model.has("stopped")
    model.put("release")


async def test_the_requests_of_a_session_go_to_one_replica_and_a_dead_node_takes_down_only_its_own(
    gateway, folder, ray_cluster
):
    runners, model = gateway(min_replicas=2, max_replicas=2, cpus=5), folder()  # a node has room for one
    lost = ray_cluster.add_node()
    await runners.load(model.request("x").model)
    replicas = {}
    async with asyncio.timeout(60):
        while len(replicas) < 2:  # until the second one is known too
            replicas = {await replica_of(runners, model, f"ses_{number}"): f"ses_{number}" for number in range(16)}
    for pid, session in replicas.items():
        assert {await replica_of(runners, model, session) for _ in range(3)} == {pid}
    async with (
        held(runners, model, 0, session_id=next(iter(replicas.values()))) as one,
        held(runners, model, 1, session_id=list(replicas.values())[1]) as other,
    ):
        ray_cluster.kill(lost)
        died = time.monotonic()
        await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
        (failed,) = [task for task in (one, other) if task.done()]
        with pytest.raises(RunnerCrashed) as crash:
            await failed
        assert crash.value.retryable
        answers = await asyncio.gather(*(replica_of(runners, model, f"ses_{number}") for number in range(16)))
        assert time.monotonic() - died < 10
        assert len(set(answers)) == 1
        model.put("release")
        (survivor,) = {one, other} - {failed}
        assert isinstance((await survivor)[-1], Completed)


async def test_a_node_without_the_files_fetches_them_by_their_digest(gateway, s3, demo_gguf, monkeypatch, tmp_path):
    from pluggably.adapters.runners.ray_serve.node_files import FileSource

    bucket = s3.bucket()
    monkeypatch.chdir(demo_gguf.parent)
    here = Path("/proc/self/cwd") / demo_gguf.name  # the same path is nothing on any other process
    store = partial(S3ArtifactFiles, bucket)
    source = FileSource(folder=str(tmp_path / "node"), store=store)
    runners = gateway(engines=ENGINES, source=source, store=store())
    model = a_model("elsewhere", path=str(here), engine="llama_cpp", size_bytes=2**20, context_length=512)
    events = await events_of(runners, a_request("Hi", model=model, max_tokens=2))
    assert events[-1].usage.output_tokens == 2
    assert [it.name for it in (tmp_path / "node").glob("*/*.gguf")] == [demo_gguf.name]


async def test_idle_models_make_room_and_busy_ones_do_not(gateway, folder):
    old, new = folder("old"), folder("new")
    runners, hurried = gateway(cpus=5), gateway(cpus=5, memory_wait_s=0.5)  # a node has room for one
    await runners.load(old.request("x").model)
    async with held(runners, old):
        with pytest.raises(Overloaded):
            await hurried.load(new.request("x").model)
    await runners.load(new.request("x").model)
    assert old.lines("closes")
    with pytest.raises(RunnerOutOfMemory):
        await runners.load(evolve(folder("vast").request("x").model, size_bytes=2**40))


async def test_a_service_answers_from_the_cluster(ray_cluster, tmp_path, demo_gguf):
    environ = {
        "PLUGGABLY_RUNNERS__HOST": "ray",
        "PLUGGABLY_RUNNERS__CONTEXT_LENGTH": "512",
        "PLUGGABLY_MODELS__SHIPPED": "false",
        "PLUGGABLY_RAY__ADDRESS": ray_cluster.address,
        "PLUGGABLY_RAY__FILES_FOLDER": str(tmp_path / "node"),
    }
    service = await asyncio.to_thread(Service(tmp_path, demo_gguf.parent, environ=environ).__enter__)
    try:
        async with httpx.AsyncClient(base_url=f"{service.url}/v1", timeout=60) as http:
            asked = {"model": "smollm2-135m-instruct", "input": "Hi", "parameters": {"max_tokens": 2}}
            answer = await http.post("/generations/text", json=asked)
            assert answer.status_code == 200, answer.text
            assert answer.json()["usage"]["output_tokens"] == 2
            assert (await http.get("/models/smollm2-135m-instruct")).json()["status"] == "loaded"
            assert (await http.post("/models/smollm2-135m-instruct/unload")).json()["status"] == "available"
    finally:
        await asyncio.to_thread(service.__exit__, None, None, None)
    assert "SIGTERM received" not in service.log
