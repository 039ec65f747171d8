"""What `/v1/usage` tells is what the answers said, however they came, and what there is to say where none came."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from datetime import timedelta

import httpx

from pluggably.adapters.memory.generator import COUNTING, tokens
from pluggably.adapters.memory.media import ScriptedMediaGenerator
from pluggably.adapters.memory.models import ListedModels
from pluggably.application.routes import RouteModels
from pluggably.domain.access import LOCAL_OPERATOR, Scope
from pluggably.domain.errors import ProviderUnavailable
from pluggably.domain.generation import Completed, FinishReason, Started, TextDelta, TextPart, Usage
from pluggably.domain.model import Modality
from pluggably.domain.parameters import IMAGE_PARAMETERS
from pluggably.domain.routing import BreakerPolicy, RetryPolicy, Route
from pluggably.domain.usage import UsageCounts
from tests.artifact_world import ArtifactWorld
from tests.builders import a_model

from .keyed import Clock, guarded, made
from .world import events_of

LIMIT_S = 20


ROUTES = {"both": Route(name="both", tiers=(("acme/picky",), ("tiny", "acme/large")))}
TWICE = RetryPolicy(attempts=2, first_pause_s=0, longest_pause_s=0)
PATIENT = BreakerPolicy(failures=1_000)


class Listed(ListedModels):
    """`acme/picky` always fails before it says a word, and is the first one of the route `both`."""

    def __init__(self) -> None:
        large, picky = (a_model(f"acme/{it}", provider="acme", origin="provider") for it in ("large", "picky"))
        painter = a_model("painter", modality=Modality.IMAGE, provider="studio", parameters=IMAGE_PARAMETERS)
        super().__init__([a_model("tiny"), large, picky, painter])
        self.routes = RouteModels(ROUTES, [ListedModels([a_model("tiny"), large, picky])])

    async def models(self):
        return [*await self.routes.models(), *await super().models()]


class Moody:
    """Counts in words; `fail 3` fails after three of them and `hang 3` says no more. `picky` fails at once."""

    async def generate(self, request):
        yield Started()
        if request.model.id == "acme/picky":
            raise ProviderUnavailable
        mood, _, number = request.messages[-1].text.partition(" ")
        words = tokens(COUNTING)[: int(number)] if number else tokens(COUNTING)
        for word in words:
            yield TextDelta(word)
        if mood == "fail":
            raise ProviderUnavailable
        if mood == "hang":
            await asyncio.Event().wait()
        usage = Usage(input_tokens=len(request.messages), output_tokens=len(words), cached_input_tokens=1)
        yield Completed(output=(TextPart("".join(words)),), finish_reason=FinishReason.STOP, usage=usage)

    async def close(self):
        """Nothing to close."""


class Client:
    """Somebody with a key, who adds up what the answers to them say."""

    def __init__(self, http: httpx.AsyncClient, headers: dict[str, str], key: str, chance: random.Random) -> None:
        self.http, self.headers, self.key, self.chance = http, headers, key, chance
        self.told: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    async def post(self, path, **body) -> httpx.Response:
        return await self.http.post(f"/v1/{path}", json=body, headers=self.headers | {"Prefer": "wait=20"})

    def said(self, answer: dict) -> None:
        """Take a native answer, or the problem that came in its place."""
        for tried in answer.get("attempts", ()):
            self.told[tried["provider"], tried["model"]]["failed_attempts"] += tried["status"] != "ok"
        if "usage" in answer:
            counted = self.told[answer["model"]["provider"], answer["model"]["id"]]
            counted.update({it: number for it, number in answer["usage"].items() if it != "source"})
            counted["generations"] += 1
            counted["files"] += sum(it["type"] != "text" for it in answer["output"])

    async def text(self, **body) -> None:
        model = self.chance.choice(["tiny", "acme/large", "both"])
        answer = await self.post("generations/text", **({"model": model, "input": f"say {self.number()}"} | body))
        if answer.headers["content-type"] != "text/event-stream":
            self.said(answer.json())
            return
        events = events_of(answer.text)
        self.said(events[-1][1])
        if events[-1][0] == "error":
            deltas = sum(name == "delta" for name, _ in events)
            self.told["local" if body["model"] == "tiny" else "acme", body["model"]]["unfinished_tokens"] += deltas

    def number(self) -> int:
        return self.chance.randint(1, 12)

    async def plain(self) -> None:
        await self.text()

    async def streamed(self) -> None:
        await self.text(stream=True)

    async def in_session(self) -> None:
        session = (await self.post("sessions")).json()["id"]
        for stream in (False, True):
            await self.text(session_id=session, stream=stream)

    async def in_background(self) -> None:
        await self.text(background=True)

    async def openai(self) -> None:
        said = [{"role": "user", "content": "say 3"}]
        answer = (await self.post("chat/completions", model="tiny", messages=said)).json()
        usage = answer["usage"]
        self.told["local", "tiny"].update(
            generations=1,
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
            cached_input_tokens=usage["prompt_tokens_details"]["cached_tokens"],
        )

    async def drawn(self) -> None:
        self.said((await self.post("generations/image", model="painter", input="x", parameters={"n": 2})).json())

    async def failed(self) -> None:
        await self.text(model=self.chance.choice(["tiny", "acme/picky"]), input="fail 0", stream=True)

    async def failed_midway(self) -> None:
        await self.text(model="tiny", input=f"fail {self.number()}", stream=True)

    async def left(self) -> None:
        number, body = self.number(), {"model": "tiny", "stream": True}
        async with self.http.stream(
            "POST", "/v1/generations/text", json=body | {"input": f"hang {number}"}, headers=self.headers
        ) as answer:
            deltas, lines = 0, answer.aiter_lines()
            while deltas < number:
                deltas += await anext(lines) == "event: delta"
        self.told["local", "tiny"].update(cancelled=1, unfinished_tokens=number)

    async def stopped_in_background(self) -> None:
        body = {"model": "tiny", "input": "hang 2", "background": True, "stream": True}
        async with self.http.stream("POST", "/v1/generations/text", json=body, headers=self.headers) as answer:
            deltas, lines = 0, answer.aiter_lines()
            while deltas < 2:
                line = await anext(lines)
                deltas += line == "event: delta"
                if line.startswith("data: "):
                    job = json.loads(line.removeprefix("data: "))["generation_id"]
        assert (await self.post(f"generations/{job}/cancel")).json()["status"] == "cancelled"
        self.told["local", "tiny"].update(cancelled=1, unfinished_tokens=2)


WAYS = [
    *(Client.plain, Client.streamed, Client.in_session, Client.in_background, Client.openai, Client.drawn),
    *(Client.failed, Client.failed_midway, Client.left, Client.stopped_in_background),
]


async def usage(http, headers, **query) -> dict[str, UsageCounts]:
    answer = await http.get("/v1/usage", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return {it["group"]: UsageCounts(*(it[name] for name in UsageCounts._fields)) for it in answer.json()["data"]}


def added(counted) -> UsageCounts:
    total = Counter()
    for it in counted:
        total.update(it)
    return UsageCounts(**{name: total[name] for name in UsageCounts._fields})


def by(clients, group) -> dict[str, UsageCounts]:
    groups = defaultdict(list)
    for client in clients:
        for (provider, model), counted in client.told.items():
            groups[group(client, provider, model)].append(counted)
    return {name: counts for name, it in groups.items() if any(counts := added(it))}


async def test_what_was_used_is_what_the_answers_said(tmp_path):
    chance, studio = random.Random(7), ScriptedMediaGenerator()  # noqa: S311 - the same one each time
    wanted = {"keys": tmp_path, "models": Listed(), "studio": studio, "routes": ROUTES, "retries": TWICE}
    async with guarded(Moody(), artifacts=ArtifactWorld(tmp_path), **wanted) as (world, http):
        world.router.breaker = PATIENT
        clients = []
        for owner in ("ann", "ann", "bob"):
            headers = await made(world, owner=owner)
            key = (await world.keys.list(LOCAL_OPERATOR))[-1].id
            clients.append(Client(http, headers, key, chance))
        work = [way for way in WAYS for _ in range(4)]
        chance.shuffle(work)
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(way(chance.choice(clients)) for way in work))
            admin = await made(world, {Scope.ADMIN})
            stopped = sum(way in (Client.left, Client.stopped_in_background) for way in work)
            while sum(it.cancelled for it in (await usage(http, admin, group_by="model")).values()) < stopped:
                await asyncio.sleep(0)  # who left is not told when the service has noticed
        assert await usage(http, admin, group_by="key") == by(clients, lambda client, *_: client.key)
        models = await usage(http, admin, group_by="model")
        assert models == by(clients, lambda _client, _provider, model: model)
        assert await usage(http, admin, group_by="provider") == by(clients, lambda _client, provider, _model: provider)
        anns = await usage(http, clients[0].headers, group_by="key")
        assert anns == by(clients[:2], lambda client, *_: client.key)
        days = await usage(http, admin, group_by="day")
        assert added(it._asdict() for it in days.values()) == added(it._asdict() for it in models.values())


async def test_a_turn_that_is_answered_again_is_not_used_again():
    async with guarded() as (world, http):
        headers = await made(world, owner="ann")
        session = (await http.post("/v1/sessions", json={}, headers=headers)).json()["id"]
        asked = {"model": "tiny", "input": "Hello", "session_id": session}
        for _ in range(2):
            answer = await http.post("/v1/generations/text", json=asked, headers=headers | {"Idempotency-Key": "once"})
            assert answer.json()["usage"]["output_tokens"] == 16
        (counts,) = (await usage(http, headers, group_by="model")).values()
        assert (counts.generations, counts.output_tokens) == (1, 16)


async def test_a_time_is_told_by_its_full_hours():
    clock = Clock()
    async with guarded(clock=clock) as (world, http):
        headers = await made(world)
        for _ in range(3):
            clock.ahead += timedelta(hours=1)
            await http.post("/v1/generations/text", json={"model": "tiny", "input": "Hello"}, headers=headers)
        last = clock().replace(minute=0, second=0, microsecond=0)
        for hours, expected in ((0, 1), (1, 2), (5, 3)):
            query = {"group_by": "model", "from": (last - timedelta(hours=hours)).isoformat()}
            assert (await usage(http, headers, **query))["tiny"].generations == expected
        assert (await usage(http, headers, group_by="model", to=last.isoformat()))["tiny"].generations == 2
        for name, value in (
            ("after", "\0"),
            ("from", "2026-11-25T12:30:00Z"),
            ("to", "noon"),
            ("from_", "2026-11-25T12:00:00Z"),
        ):
            refused = await http.get("/v1/usage", params={"group_by": "key", name: value}, headers=headers)
            assert refused.status_code == 400
            assert [it["pointer"] for it in refused.json()["errors"]] == [f"/query/{name}"]


async def test_groups_come_in_pages():
    async with guarded() as (world, http):
        headers = await made(world, owner="ann")
        for model in ("tiny", "acme/large"):
            await http.post("/v1/generations/text", json={"model": model, "input": "Hello"}, headers=headers)
        query = {"group_by": "model", "limit": 1}
        first = (await http.get("/v1/usage", params=query, headers=headers)).json()
        second = (await http.get("/v1/usage", params=query | {"after": first["next_after"]}, headers=headers)).json()
        assert [it["group"] for it in (*first["data"], *second["data"])] == ["acme/large", "tiny"]
        assert (first["has_more"], second["has_more"], second["next_after"]) == (True, False, None)
