"""`pluggably pull`: by the running service and without one, on a terminal and in a script; Ctrl-C pauses."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.download_builders import long_ago, noise
from tests.file_server import Served, serving
from tests.integration.cli.pluggably import Terminal, pluggably
from tests.integration.cli.scripted import event, scripted
from tests.integration.cli.test_keys import secret_in
from tests.integration.service import Service

MIB = 2**20
CONTENT = b"GGUF" + noise(9, 12 * MIB)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def configured(folder, origin: str) -> Service:
    """A service that is not started, whose settings the command finds in `folder`."""
    return Service(folder, folder / "models", f'[downloads]\nprivate_origins = ["{origin}"]\n')


def fetched(folder) -> bytes:
    return (folder / "models/model/model.gguf").read_bytes()


@asynccontextmanager
async def running(service: Service):
    await asyncio.to_thread(service.start)
    try:
        yield
    finally:
        await asyncio.to_thread(service.stop)


async def test_without_a_service_it_fetches_by_itself(folder):
    async with serving(model__gguf=CONTENT) as server:
        configured(folder, server.origin)
        seen = await asyncio.to_thread(pluggably, "pull", f"{server.origin}/model.gguf", cwd=folder)
    assert (seen.returncode, seen.stderr) == (0, "")
    assert "is here" in seen.stdout
    assert fetched(folder) == CONTENT


def test_without_a_service_it_leaves_alone_what_the_service_may_go_on_with(folder):
    (folder / "shelf").mkdir()
    (folder / "shelf/model.gguf").write_bytes(CONTENT)
    paused = long_ago(folder / "models/.downloads/paused")
    seen = pluggably("pull", f"file://{folder}/shelf/model.gguf", "--into", str(folder / "models"), cwd=folder)
    assert seen.returncode == 0, seen.stderr
    assert (paused / "0.part").exists()


async def test_with_a_service_it_is_a_job_of_the_service(folder):
    async with serving(model__gguf=CONTENT) as server:
        service = configured(folder, server.origin)
        async with running(service):
            seen = await asyncio.to_thread(pluggably, "pull", f"{server.origin}/model.gguf", cwd=folder)
            jobs = (await asyncio.to_thread(httpx.get, f"{service.url}/v1/downloads")).json()["data"]
    assert (seen.returncode, seen.stderr) == (0, "")
    assert [it["status"] for it in jobs] == ["completed"]
    assert f"{jobs[0]['model_id']} is here" in seen.stdout
    assert fetched(folder) == CONTENT


@pytest.mark.parametrize("served", [False, True], ids=["alone", "by a service"])
async def test_ctrl_c_pauses_and_the_same_command_goes_on(folder, served):
    file = Served(CONTENT, stalls=[3 * MIB] * 4)
    async with serving(model__gguf=file) as server:
        service = configured(folder, server.origin)
        source = f"{server.origin}/model.gguf"

        def interrupted() -> tuple[str, int]:
            with Terminal("pull", source, cwd=folder) as terminal:
                terminal.expect("downloading")
                terminal.expect("/s")
                while not server.sent_bytes >= 2 * MIB:
                    terminal.expect("downloading")
                terminal.interrupt()
                status = terminal.leave()
                return terminal.screen, status

        if served:
            await asyncio.to_thread(service.start)
        try:
            screen, status = await asyncio.to_thread(interrupted)
            assert status == 130
            assert f"Go on with: pluggably pull {source}" in "".join(screen.split("\n"))
            while server.open_connections:
                await asyncio.sleep(0.01)
            before = server.sent_bytes
            file.stalls.clear()
            seen = await asyncio.to_thread(pluggably, "pull", source, cwd=folder)
            assert seen.returncode == 0, seen.stderr
        finally:
            if served:
                await asyncio.to_thread(service.stop)
    assert fetched(folder) == CONTENT
    assert server.sent_bytes - before < len(CONTENT) - MIB


async def test_what_goes_wrong_is_one_sentence(folder):
    async with serving(model__gguf=Served(CONTENT, status=403)) as server:
        service = configured(folder, server.origin)
        alone = await asyncio.to_thread(pluggably, "pull", f"{server.origin}/model.gguf", cwd=folder)
        async with running(service):
            asked = await asyncio.to_thread(pluggably, "pull", f"{server.origin}/model.gguf", cwd=folder)
    for seen in (alone, asked):
        assert seen.returncode == 1
        assert seen.stderr == "pluggably: The source does not give this to us: it answered 403.\n"


async def test_a_folder_that_is_named_is_where_the_model_goes(folder):
    async with serving(model__gguf=CONTENT) as server:
        configured(folder, server.origin)
        into = ("--into", str(folder / "elsewhere"))
        seen = await asyncio.to_thread(pluggably, "pull", f"{server.origin}/model.gguf", *into, cwd=folder)
    assert seen.returncode == 0, seen.stderr
    assert (folder / "elsewhere/model/model.gguf").read_bytes() == CONTENT


def test_a_file_of_this_machine_can_be_pulled_from_anywhere(folder):
    (folder / "shelf").mkdir()
    (folder / "shelf/model.gguf").write_bytes(CONTENT)
    into = ("--into", str(folder / "models"))
    seen = pluggably("pull", f"file://{folder}/shelf/model.gguf", *into, cwd=folder)
    assert seen.returncode == 0, seen.stderr
    assert fetched(folder) == CONTENT


async def test_a_service_that_asks_for_keys_is_shown_the_one_in_the_environment(folder):
    async with serving(model__gguf=CONTENT) as server:
        downloads = f'[downloads]\nprivate_origins = ["{server.origin}"]\n'
        service = Service(folder, folder / "models", f'{downloads}[access]\nmethods = ["api_key"]\n')
        first = await asyncio.to_thread(pluggably, "keys", "create", "first", "--admin", cwd=folder)
        source, key = f"{server.origin}/model.gguf", secret_in(first.stdout)
        async with running(service):
            refused = await asyncio.to_thread(pluggably, "pull", source, cwd=folder, PLUGGABLY_API_KEY="")
            assert not (folder / "models").exists()
            seen = await asyncio.to_thread(pluggably, "pull", source, cwd=folder, PLUGGABLY_API_KEY=key)
    assert refused.returncode == 77
    assert "PLUGGABLY_API_KEY" in refused.stderr
    assert (seen.returncode, seen.stderr) == (0, "")
    assert fetched(folder) == CONTENT


@pytest.mark.parametrize(
    "came", [[], [event("progress", status="running", bytes_done=1, bytes_total=2, rate_bytes_per_s=None, eta_s=None)]]
)
def test_a_service_that_ends_before_the_download_has_broken_off(folder, came):
    with scripted(lambda _: came) as (_, url):
        seen = pluggably("pull", "https://example.com/model.gguf", "--url", url, cwd=folder)
    assert seen.returncode == 1
    assert "broke off" in seen.stderr
