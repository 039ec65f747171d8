"""Two services on PostgreSQL behind a real nginx: restarted one after the other, they lose nothing."""

import asyncio
import json
import os
import shutil
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import psycopg
import pytest
from attrs import define, field

from tests.integration.deploy.nginx import Nginx
from tests.integration.providers.openai_server import COUNTING, chunk, completion, openai_server
from tests.integration.service import Service

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), reason="nginx is not installed"
)
SETTINGS = """
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
master_key_env = "SESSIONS_MASTER_KEY"
[[providers]]
name = "stub"
base_url = "{url}"
models = ["gpt-test"]
"""
WORDS = COUNTING.split()


@define
class Counting:
    """An answer in words. A stream goes on after its first word when the next step is taken, or all are."""

    taken: asyncio.Event = field(factory=asyncio.Event)
    over: bool = False

    def step(self) -> None:
        self.taken.set()
        self.taken = asyncio.Event()

    def finish(self) -> None:
        self.over = True
        self.step()

    async def __call__(self, call) -> None:
        if not call.body.get("stream"):
            await call.answer(json.dumps(completion(COUNTING)).encode())
            return
        await call.begin_stream()
        await call.event(chunk(f"{WORDS[0]} "))
        if not self.over:
            await self.taken.wait()
        for word in WORDS[1:]:
            await call.event(chunk(f"{word} "))
        await call.event(chunk(finish_reason="stop"))
        await call.event("[DONE]")
        await call.end_stream()


@asynccontextmanager
async def behind_nginx(tmp_path, database, answer):
    """Two services that ask the stub, and the nginx in front of them."""
    environ = {"SESSIONS_URL": database, "SESSIONS_MASTER_KEY": "ab" * 32, "PLUGGABLY_MODELS__SHIPPED": "false"}
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(openai_server(answer))
        services = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            service = Service(tmp_path / name, tmp_path / name / "models", SETTINGS.format(url=stub.base_url), environ)
            services.append(stack.enter_context(service))
        (tmp_path / "nginx").mkdir()
        nginx = stack.enter_context(Nginx(tmp_path / "nginx", [it.port for it in services]))
        yield services, nginx


@define
class Load:
    """Clients that ask one thing after the other until it is `over`, and what went wrong."""

    http: httpx.AsyncClient
    over: bool = False
    done: Counter[str] = field(factory=Counter)
    failures: list[str] = field(factory=list)

    async def keep(self, ask) -> None:
        while not self.over:
            try:
                await ask()
                self.done[ask.__name__] += 1
            except (httpx.HTTPError, AssertionError) as error:
                self.failures.append(f"{ask.__name__}: {error!r}")

    async def a_list(self) -> None:
        answer = await self.http.get("/models")
        assert answer.status_code == 200, answer.text

    async def an_answer(self) -> None:
        assert await self._told() == COUNTING

    async def a_conversation(self) -> None:
        session = (await self._post("/sessions", {})).json()["id"]
        for _ in range(2):
            assert await self._told(session_id=session) == COUNTING
            self.done["turns"] += 1
        turns = await self.http.get(f"/sessions/{session}/turns")
        assert [it["status"] for it in turns.json()["data"]] == ["completed", "completed"]

    async def a_stream(self) -> None:
        said, events = "", []
        async with self.http.stream("POST", "/generations/text", json=self._body(stream=True)) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    events.append(line.removeprefix("event: "))
                if line.startswith("data: ") and events[-1] == "delta":
                    said += json.loads(line.removeprefix("data: "))["text"]
        assert (said.strip(), events[-1]) == (COUNTING, "completed")

    async def _told(self, **facts) -> str:
        (text,) = (await self._post("/generations/text", self._body(**facts))).json()["output"]
        return text["text"]

    async def _post(self, path: str, body: dict) -> httpx.Response:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer

    def _body(self, **facts) -> dict:
        return {"model": "stub/gpt-test", "input": "Count."} | facts


async def restart(service: Service, answer: Counting, done: Counter[str]) -> None:
    """Stop it amid streams, and start it when it has ended; return when as much as before was asked again."""
    service.process.terminate()
    while service.process.poll() is None:
        answer.step()  # again and again, as streams may still begin on connections that it has
        await asyncio.sleep(0.01)
    assert service.process.returncode == 0, service.log
    await asyncio.to_thread(service.start)
    before = done.copy()
    while any(done[it] <= before[it] for it in ("a_list", "an_answer", "a_conversation")):
        await asyncio.sleep(0.01)


async def test_a_rolling_restart_under_load_loses_no_request_and_no_event(tmp_path, database):
    answer = Counting()
    async with behind_nginx(tmp_path, database, answer) as (services, nginx):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=f"{nginx.url}/v1", timeout=60, limits=limits) as http:
            load = Load(http)
            kinds = [load.a_list, load.an_answer, load.an_answer, load.a_conversation, load.a_conversation]
            clients = [asyncio.create_task(load.keep(it)) for it in (*kinds, load.a_stream, load.a_stream)]
            async with asyncio.timeout(300):
                for service in services:
                    await restart(service, answer, load.done)
            load.over = True
            answer.finish()
            await asyncio.gather(*clients)
    assert load.failures == []
    assert load.done["a_stream"] >= len(services)
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT regexp_replace(topic, '[.]v[0-9]+$', ''), count(*) FROM stored_events GROUP BY 1"
        ).fetchall()
    turns = load.done["turns"]
    assert dict(rows) == {
        "session.opened": load.done["a_conversation"],
        "turn.requested": turns,
        "turn.completed": turns,
    }


async def test_a_stream_comes_through_piece_by_piece(tmp_path, database):
    answer = Counting()
    async with behind_nginx(tmp_path, database, answer) as (_, nginx):
        body = {"model": "stub/gpt-test", "input": "Count.", "stream": True}
        async with httpx.AsyncClient(base_url=f"{nginx.url}/v1", timeout=60) as http:
            async with http.stream("POST", "/generations/text", json=body) as response:
                lines = response.aiter_lines()
                while not (await anext(lines)).startswith("event: delta"):
                    pass
                answer.finish()  # only now the stub goes on: a proxy that waits for more would wait for ever
                assert "event: completed" in [line async for line in lines]
            assert (await http.get(f"{nginx.url}/metrics")).status_code == 404
