"""OpenAI's official client, unchanged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from pluggably.adapters.memory.generator import COUNTING, ScriptedGenerator
from pluggably.domain.errors import (
    ContextLengthExceeded,
    Overloaded,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
)
from pluggably.domain.generation import (
    Completed,
    FinishReason,
    Started,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from tests.integration.http.world import World, serving

SAID = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def url(world) -> AsyncIterator[str]:
    async with serving(world.app()) as url:
        yield f"{url}/v1"


@pytest.fixture
async def client(url) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        yield client


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[AsyncOpenAI]:
    async with (
        serving(world.app()) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
    ):
        yield client


class CallsATool:
    """Asks for the weather, then says it."""

    async def generate(self, request):
        yield Started()
        if isinstance(request.messages[-1].parts[0], ToolResultPart):
            output = ()
        else:
            yield ToolCallDelta(0, id="call_1", name="weather")
            for piece in ('{"city":', '"Oslo"}'):
                yield ToolCallDelta(0, arguments=piece)
            output = (ToolCallPart(id="call_1", name="weather", arguments='{"city":"Oslo"}'),)
        yield Completed(output=output, finish_reason=FinishReason.TOOL_CALLS, usage=Usage())


async def test_a_completion(client, world):
    answer = await client.chat.completions.create(
        model="tiny", messages=SAID, max_tokens=3, temperature=0.5, stop="x", extra_body={"top_k": 4, "frobnicate": 1}
    )
    assert answer.choices[0].message.content == "one two three "
    assert answer.choices[0].finish_reason == "length"
    assert (answer.model, answer.usage.completion_tokens, answer.usage.total_tokens) == ("tiny", 3, 4)
    asked = world.generator.requests[0].parameters
    assert (asked.max_tokens, asked.temperature, asked.stop, asked.top_k) == (3, 0.5, ("x",), 4)


async def test_a_stream(client):
    stream = await client.chat.completions.create(
        model="tiny", messages=SAID, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == COUNTING
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [it.choices[0].finish_reason for it in chunks if it.choices][-2:] == [None, "stop"]
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 16)
    assert len({it.id for it in chunks}) == 1


async def test_the_synchronous_client(url):
    def use() -> tuple[str, str, list[str]]:
        with OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
            answer = client.chat.completions.create(model="small", messages=SAID)
            chunks = client.chat.completions.create(model="small", messages=SAID, stream=True)
            streamed = "".join(it.choices[0].delta.content or "" for it in chunks)
            return answer.choices[0].message.content, streamed, [it.id for it in client.models.list()]

    assert await asyncio.to_thread(use) == (COUNTING, COUNTING, ["tiny", "acme/large", "painter"])


async def test_a_tool_call_and_its_result():
    async with client_of(World(CallsATool())) as client:
        tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
        first = await client.chat.completions.create(model="tiny", messages=SAID, tools=tools, tool_choice="auto")
        [call] = first.choices[0].message.tool_calls
        assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city":"Oslo"}')
        assert first.choices[0].message.content is None
        result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
        again = [*SAID, first.choices[0].message.model_dump(exclude_none=True), result]
        assert await client.chat.completions.create(model="tiny", messages=again, tools=tools)
        async with client.chat.completions.stream(model="tiny", messages=SAID, tools=tools) as stream:
            whole = await stream.get_final_completion()
        assert whole.choices[0].message.tool_calls[0].function.arguments == '{"city":"Oslo"}'


async def test_models(client):
    assert [it.id async for it in client.models.list()] == ["tiny", "acme/large", "painter"]
    assert (await client.models.retrieve("acme/large")).owned_by == "acme"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("none")


async def test_a_session_by_an_extra_field(client, world, url):
    async with httpx.AsyncClient() as http:
        session = (await http.post(f"{url}/sessions", json={})).json()["id"]
    for said in ("First", "Second"):
        await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": said}], max_tokens=1, extra_body={"session_id": session}
        )
    assert [it.text for it in world.generator.requests[1].messages] == ["First", "one ", "Second"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("wanted", "param", "code"),
    [
        ({"model": "smollm3"}, "model", "model_not_found"),
        ({"model": "painter"}, "model", "model_modality_mismatch"),
        ({"n": 2}, "n", "invalid_request"),
        ({"temperature": 3}, "temperature", "invalid_request"),
        ({"model": "acme/large", "top_p": 0.5}, "top_p", "invalid_request"),
        ({"messages": []}, "messages", "invalid_request"),
    ],
    ids=str,
)
async def test_a_bad_request(client, wanted, param, code, stream):
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**{"model": "tiny", "messages": SAID, "stream": stream} | wanted)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert refused.value.request_id


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ContextLengthExceeded(), openai.BadRequestError),
        (ProviderRateLimited(retry_after_s=1), openai.RateLimitError),
        (ProviderTimeout(), openai.InternalServerError),
        (Overloaded(), openai.InternalServerError),
    ],
    ids=lambda it: getattr(it, "code", ""),
)
async def test_errors_are_those_of_the_client(error, raised, stream):
    async with client_of(World(ScriptedGenerator(failure=error))) as client:
        with pytest.raises(raised) as failed:
            await client.chat.completions.create(model="tiny", messages=SAID, stream=stream)
    assert failed.value.code == error.code


async def test_a_failure_amid_a_stream_is_raised_and_never_done():
    failing = ScriptedGenerator(failure=ProviderUnavailable(detail="Gone."), fails_after=2)
    async with serving(World(failing).app()) as url:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
            stream = await client.chat.completions.create(model="tiny", messages=SAID, stream=True)
            with pytest.raises(openai.APIError, match="Gone") as failed:
                _ = [chunk async for chunk in stream]
        async with httpx.AsyncClient() as http:
            body = {"messages": SAID, "stream": True}
            raw = (await http.post(f"{url}/v1/chat/completions", json=body)).text
    assert failed.value.code == "provider_unavailable"
    assert "[DONE]" not in raw


async def test_what_cannot_succeed_is_not_tried_again(world, url):
    async with httpx.AsyncClient(base_url=url) as http:
        session = (await http.post("/sessions", json={})).json()["id"]
        await http.post(f"/sessions/{session}/close")
    async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=2) as client:
        with pytest.raises(openai.ConflictError) as refused:
            await client.chat.completions.create(model="tiny", messages=SAID, extra_body={"session_id": session})
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"
