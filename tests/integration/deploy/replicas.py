"""Three services on one PostgreSQL and one S3 behind nginx, and clients that keep asking whatever dies."""

import asyncio
import hashlib
import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from attrs import define, field

from tests.integration.deploy.nginx import Nginx
from tests.integration.providers.image_answers import inside, whole
from tests.integration.providers.openai_server import completion, openai_server
from tests.integration.service import Service
from tests.postgres_server import PostgresServer
from tests.s3_server import S3Server

SETTINGS = """
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
master_key_env = "SESSIONS_MASTER_KEY"
[audit]
signing_key_env = "SIGNING_KEY"
[artifacts]
store = "s3"
s3_endpoint = "{s3}"
s3_bucket = "{bucket}"
[[providers]]
name = "stub"
base_url = "{upstream}"
models = ["gpt-test", "gpt-image-2"]
"""
PAUSE_S = 0.05
_NUMBERS = itertools.count(1)


@define
class Client(ABC):
    """Asks one thing after the other until it is `over`, each until it is acknowledged, under one key."""

    http: httpx.AsyncClient
    over: bool = False
    acknowledged: list[dict] = field(factory=list)
    refusals: Counter[str] = field(factory=Counter)
    final: list[str] = field(factory=list)
    """What was refused for good, which nothing should be."""

    async def keep(self) -> None:
        while not self.over:
            self.acknowledged.append(await self.ask(f"key-{next(_NUMBERS)}"))

    @abstractmethod
    async def ask(self, key: str) -> dict:
        """Ask for one thing, and give what acknowledges it."""

    async def until_acknowledged(self, path: str, body: dict, key: str) -> dict:
        while True:
            try:
                answer = await self.http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                self.refusals[type(error).__name__] += 1
                continue
            if answer.is_success:
                return answer.json()
            problem = answer.json() if "json" in answer.headers["content-type"] else {"code": "of nginx"}
            self.refusals[f"{answer.status_code} {problem['code']}"] += 1
            if not problem.get("retryable", answer.status_code in (502, 504)):
                self.final.append(answer.text)
            await asyncio.sleep(PAUSE_S)


@define
class Conversation(Client):
    """Turns of one session."""

    session: str = ""

    async def ask(self, key: str) -> dict:
        if not self.session:
            self.session = (await self.until_acknowledged("/sessions", {}, f"{key}-session"))["id"]
        return await self.until_acknowledged("/generations/text", self.body(key), key)

    def body(self, key: str) -> dict:
        return {"model": "stub/gpt-test", "input": key, "session_id": self.session}


@define
class Painter(Conversation):
    """Pictures in one session."""

    async def ask(self, key: str) -> dict:
        if not self.session:
            self.session = (await self.until_acknowledged("/sessions", {}, f"{key}-session"))["id"]
        body = {"model": "stub/gpt-image-2", "input": key, "session_id": self.session, "delivery": "url"}
        return await self.until_acknowledged("/generations/image", body, key)


@define
class Queuer(Client):
    """Generations in the background."""

    async def ask(self, key: str) -> dict:
        body = {"model": "stub/gpt-test", "input": f"job {key}", "background": True}
        queued = await self.until_acknowledged("/generations/text", body, key)
        await asyncio.sleep(PAUSE_S)  # so that the queue does not become the test
        return queued


@define
class Upstream:
    """Answers at once, and counts what it was asked."""

    asked: Counter[str] = field(factory=Counter)

    async def __call__(self, call) -> None:
        if call.path.startswith("/v1/images/"):
            await call.answer(json.dumps(whole(inside())).encode())
            return
        self.asked[call.body["messages"][-1]["content"]] += 1
        await call.answer(json.dumps(completion("Hello.")).encode())


@define
class Replicas:
    """Everything that runs, and the clients."""

    services: list[Service]
    database: PostgresServer
    s3: S3Server
    upstream: Upstream
    http: httpx.AsyncClient
    clients: list[Client] = field(factory=list)

    async def acknowledge_more(self) -> None:
        """Return when every client has been acknowledged something that it asked after this."""
        before = {id(it): len(it.acknowledged) for it in self.clients}
        while any(len(it.acknowledged) < before[id(it)] + 2 for it in self.clients):  # the first may have come before
            await asyncio.sleep(PAUSE_S)

    async def turns(self, session: str) -> list[dict]:
        """Every turn of a session, as it is told."""
        answer = await self.http.get(f"/sessions/{session}/turns")
        return answer.raise_for_status().json()["data"]

    async def is_whole(self, session: str) -> bool:
        """Whether the session's chain is."""
        return (await self.http.get(f"/sessions/{session}/verify")).raise_for_status().json()["valid"]

    async def sha256_of(self, url: str) -> str:
        """What is behind a URL of the store's own."""
        async with httpx.AsyncClient() as http:
            return hashlib.sha256((await http.get(url)).raise_for_status().content).hexdigest()


@asynccontextmanager
async def replicas(folder: Path, number: int = 3) -> AsyncIterator[Replicas]:
    """So many services, with everything that they need, and clients at work until the context is left."""
    async with AsyncExitStack() as stack:
        upstream = Upstream()
        stub = await stack.enter_async_context(openai_server(upstream))
        database, s3 = stack.enter_context(PostgresServer()), stack.enter_context(S3Server())
        url, bucket = stack.enter_context(database.database()), s3.bucket()
        settings = SETTINGS.format(s3=s3.endpoint, bucket=bucket.name, upstream=stub.base_url)
        environ = {
            "SESSIONS_URL": url,
            "SESSIONS_MASTER_KEY": "ab" * 32,
            "SIGNING_KEY": "cd" * 32,
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "PLUGGABLY_MODELS__SHIPPED": "false",
        }
        services = []
        for name in range(number):
            place = folder / f"replica-{name}"
            place.mkdir()
            services.append(stack.enter_context(Service(place, place / "models", settings, environ)))
        (folder / "nginx").mkdir()
        nginx = stack.enter_context(Nginx(folder / "nginx", [it.port for it in services]))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{nginx.url}/v1", timeout=60))
        yield Replicas(services, database, s3, upstream, http)


@asynccontextmanager
async def under_load(world: Replicas) -> AsyncIterator[None]:
    """Have clients ask for as long as the context lasts; then they finish what they have begun."""
    world.clients = [
        *(Conversation(world.http) for _ in range(4)),
        *(Painter(world.http) for _ in range(2)),
        *(Queuer(world.http) for _ in range(2)),
    ]
    async with asyncio.TaskGroup() as tasks:
        for client in world.clients:
            tasks.create_task(client.keep())
        try:
            yield
        finally:
            for client in world.clients:
                client.over = True
