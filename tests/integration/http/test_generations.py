"""Text over the native route."""

import asyncio

import pytest

from pluggably.adapters.memory.generator import COUNTING, ScriptedGenerator
from pluggably.domain.errors import Overloaded, ProviderAuthFailed, ProviderUnavailable
from pluggably.domain.generation import Role, Started, TextDelta
from pluggably.entrypoints.http.services import HttpOptions
from pluggably.entrypoints.http.sse import READ_AHEAD
from tests.integration.http.world import Endless, World, client_of, events_of

URL = "/v1/generations/text"


async def test_the_answer_has_every_field_of_the_contract(http):
    answer = (await http.post(URL, json={"input": "Hello", "metadata": {"a": "b"}, "parameters": {"seed": 3}})).json()
    assert set(answer) == {
        "id",
        "object",
        "status",
        "modality",
        "model",
        "output",
        "finish_reason",
        "usage",
        "session",
        "state_token",
        "seed",
        "attempts",
        "created_at",
        "timing",
        "metadata",
    }
    assert answer["id"].startswith("gen_")
    assert answer["model"] == {"id": "tiny", "provider": "local", "version": None}
    assert answer["output"] == [{"type": "text", "text": COUNTING}]
    assert (answer["status"], answer["finish_reason"], answer["seed"]) == ("completed", "stop", 3)
    assert answer["created_at"].endswith("Z")
    assert answer["metadata"] == {"a": "b"}


async def test_a_conversation_reaches_the_model_in_its_parts(world, http):
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image", "url": "https://x/y.png"}]},
        {"role": "assistant", "content": [{"type": "tool_call", "id": "1", "name": "look", "arguments": "{}"}]},
        {"role": "tool", "content": [{"type": "tool_result", "tool_call_id": "1", "text": "a cat"}]},
    ]
    assert (await http.post(URL, json={"input": said})).status_code == 200
    messages = world.generator.requests[0].messages
    assert [it.role for it in messages] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL]
    assert messages[1].parts[1].url == "https://x/y.png"


async def test_everything_wrong_is_said_at_once(http):
    body = {
        "inputs": "x",
        "stream": 1,
        "parameters": {"temperature": 9, "max_tokens": "many", "topk": 3},
        "metadata": {str(i): "x" for i in range(17)},
    }
    refused = await http.post(URL, json=body)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert {it["pointer"] for it in refused.json()["errors"]} == {
        "/inputs",
        "/input",
        "/stream",
        "/parameters/temperature",
        "/parameters/max_tokens",
        "/parameters/topk",
        "/metadata",
    }


@pytest.mark.parametrize("field", ["background", "delivery"])
async def test_what_is_not_there_yet_is_refused_by_name(http, field):
    refused = await http.post(URL, json={"input": "x", field: "x"})
    assert [it["pointer"] for it in refused.json()["errors"]] == [f"/{field}"]


async def test_a_parameter_that_the_model_does_not_know_is_refused(http):
    refused = await http.post(URL, json={"input": "x", "model": "acme/large", "parameters": {"top_k": 3, "seed": 1}})
    assert {it["pointer"] for it in refused.json()["errors"]} == {"/parameters/top_k", "/parameters/seed"}


@pytest.mark.parametrize(
    ("model", "code"), [("tinny", "model_not_found"), ("painter", "model_modality_mismatch")], ids=["unknown", "image"]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_wrong_model_is_refused_before_anything_is_streamed(http, model, code, stream):
    refused = await http.post(URL, json={"input": "x", "model": model, "stream": stream})
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert "tiny" in refused.json()["detail"]


async def test_a_stream_starts_goes_on_and_completes(http):
    response = await http.post(URL, json={"input": "x", "stream": True, "metadata": {"a": "b"}})
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    events = events_of(response.text)
    names = [name for name, _ in events]
    assert names == ["started", *["delta"] * 16, "completed"]
    assert [data["sequence"] for _, data in events] == list(range(1, 19))
    assert len({data["generation_id"] for _, data in events}) == 1
    whole = events[-1][1]
    assert "".join(data["text"] for name, data in events if name == "delta") == whole["output"][0]["text"]
    assert (whole["status"], whole["metadata"]) == ("completed", {"a": "b"})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [(ProviderUnavailable(), 503), (ProviderAuthFailed(), 502), (Overloaded(retry_after_s=3), 503)],
    ids=lambda it: getattr(it, "code", it),
)
async def test_what_fails_at_once_has_its_own_status_streamed_or_not(error, status, stream):
    async with client_of(World(ScriptedGenerator(failure=error)).app()) as http:
        failed = await http.post(URL, json={"input": "x", "stream": stream})
    assert (failed.status_code, failed.json()["code"]) == (status, error.code)
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.headers.get("retry-after") == ("3" if error.retry_after_s else None)


async def test_what_fails_later_is_an_error_event_and_nothing_after_it():
    failing = ScriptedGenerator(failure=ProviderUnavailable(detail="Gone."), fails_after=3)
    async with client_of(World(failing).app()) as http:
        response = await http.post(URL, json={"input": "x", "stream": True})
    assert response.status_code == 200
    events = events_of(response.text)
    assert [name for name, _ in events] == ["started", "delta", "delta", "delta", "error"]
    problem = events[-1][1]
    assert (problem["code"], problem["status"], problem["detail"]) == ("provider_unavailable", 503, "Gone.")
    assert (problem["sequence"], problem["generation_id"]) == (5, events[0][1]["generation_id"])


class Broken:
    """Fails as no generator should."""

    async def generate(self, request):
        for event in [] if request.parameters.seed else [Started(), TextDelta("a")]:
            yield event
        raise RuntimeError("secret: /home/x")


async def test_an_unexpected_failure_tells_nothing_and_is_logged_with_the_request_id(capsys):
    async with client_of(World(Broken()).app()) as http:
        early = await http.post(URL, json={"input": "x", "parameters": {"seed": 1}, "stream": True})
        late = await http.post(URL, json={"input": "x", "stream": True}, headers={"X-Request-Id": "mine"})
    assert (early.status_code, early.json()["code"]) == (500, "internal_error")
    name, problem = events_of(late.text)[-1]
    assert (name, problem["code"], problem["request_id"]) == ("error", "internal_error", "mine")
    assert "secret" not in early.text + late.text
    logged = capsys.readouterr().out
    assert logged.count("request.failed") == 2
    assert "secret: /home/x" in logged
    assert "mine" in logged


async def test_a_stream_is_pinged_before_its_first_token():
    gate = asyncio.Event()
    app = World(Endless(gate)).app(HttpOptions(access_log=False, ping_interval_s=0.01))
    async with client_of(app) as http, http.stream("POST", URL, json={"input": "x", "stream": True}) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: started"
        seen = [await anext(lines) for _ in range(6)]
        assert seen.count(": ping") >= 2
        gate.set()
        async for line in lines:
            if line == "event: delta":
                break


async def test_a_client_that_does_not_read_stops_the_generator():
    generator = Endless()
    never = asyncio.Event()
    messages = [{"type": "http.request", "body": b'{"input":"x","stream":true}', "more_body": False}]
    blocked = asyncio.Event()

    async def receive():
        return messages.pop() if messages else await never.wait()

    async def send(message):
        if message["type"] == "http.response.body":
            blocked.set()
            await never.wait()

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": URL, "headers": headers, "query_string": b""}
    task = asyncio.create_task(World(generator).app()(scope, receive, send))
    await blocked.wait()
    for _ in range(READ_AHEAD * 10):
        await asyncio.sleep(0)
    assert generator.tokens <= 2 * READ_AHEAD
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert generator.ended.is_set()
