"""`kill -9` of the service amid a download, at any moment: it goes on by itself, and fetches next to nothing twice."""

import asyncio

import httpx
import pytest

from pluggably.adapters.downloads.transfer import CHUNK_BYTES
from tests.download_builders import noise
from tests.file_server import Served, serving
from tests.integration.service import Service

MIB = 2**20
KILLS_AFTER = (1, 9 * MIB, 5 * MIB + 12_345)
STREAMS = 2
CONTENT = b"GGUF" + noise(8, 48 * MIB)


@pytest.fixture
def service(tmp_path):
    made: list[Service] = []

    def service(origin: str, **settings) -> Service:
        ordinary = {"private_origins": f'["{origin}"]', "streams": STREAMS}
        lines = [f"{key} = {value}" for key, value in (ordinary | settings).items()]
        made.append(Service(tmp_path, tmp_path / "models", "[downloads]\n" + "\n".join(lines)))
        return made[-1]

    yield service
    for it in made:
        it.__exit__()


async def state(service: Service, job: dict) -> dict:
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{service.url}/v1/downloads/{job['id']}")).json()


async def ended(service: Service, job: dict) -> dict:
    while (now := await state(service, job))["status"] in ("queued", "running", "verifying"):
        await asyncio.sleep(0.05)
    return now


async def begin(service: Service, source: str) -> dict:
    async with httpx.AsyncClient(timeout=20) as http:
        answer = await http.post(f"{service.url}/v1/downloads", json={"source": source})
        assert answer.status_code == 202, answer.text
        return answer.json()


async def until_sent(server, more_bytes: int) -> None:
    goal = server.sent_bytes + more_bytes
    while server.sent_bytes < goal:
        await asyncio.sleep(0.005)


async def test_a_download_survives_kills_at_any_moment_and_goes_on_by_itself(service, tmp_path):
    async with serving(model__gguf=Served(CONTENT, pause_s=0.004)) as server:
        gateway = await asyncio.to_thread(service(server.origin).start)
        job = await begin(gateway, f"{server.origin}/model.gguf")
        for more_bytes in KILLS_AFTER:
            await until_sent(server, more_bytes)
            await asyncio.to_thread(gateway.kill)
            assert not list((tmp_path / "models").glob("*/*.gguf"))
            await asyncio.to_thread(gateway.start)
        last = await ended(gateway, job)
        assert (last["status"], last["bytes_done"]) == ("completed", len(CONTENT))
        assert (tmp_path / "models/model/model.gguf").read_bytes() == CONTENT
        assert server.sent_bytes <= len(CONTENT) + 1 + len(KILLS_AFTER) * STREAMS * 2 * CHUNK_BYTES
        async with httpx.AsyncClient() as http:
            models = (await http.get(f"{gateway.url}/v1/models")).json()["data"]
        assert last["model_id"] in [it["id"] for it in models]
        assert await asyncio.to_thread(gateway.stop) == 0


async def test_a_service_that_is_stopped_lets_go_and_the_next_one_goes_on(service, tmp_path):
    async with serving(model__gguf=Served(CONTENT, pause_s=0.004)) as server:
        gateway = await asyncio.to_thread(service(server.origin).start)
        job = await begin(gateway, f"{server.origin}/model.gguf")
        await until_sent(server, 4 * MIB)
        assert await asyncio.to_thread(gateway.stop) == 0
        while server.open_connections:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(gateway.start)
        assert (await ended(gateway, job))["status"] == "completed"
        assert await asyncio.to_thread(gateway.stop) == 0


async def test_what_does_not_fit_on_the_disk_is_507_and_leaves_a_clean_disk(service, tmp_path):
    async with serving(model__gguf=Served(CONTENT)) as server:
        gateway = await asyncio.to_thread(service(server.origin, min_free_bytes=2**60).start)
        async with httpx.AsyncClient(timeout=20) as http:
            body = {"source": f"{server.origin}/model.gguf"}
            answer = await http.post(f"{gateway.url}/v1/downloads", json=body)
        assert await asyncio.to_thread(gateway.stop) == 0
        assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
        assert server.sent_bytes <= 1
        assert [it for it in (tmp_path / "models").rglob("*") if it.is_file()] == []
