"""What the gateway's clients are told of each fault of an upstream, and how often the upstream is asked meanwhile."""

import httpx
import openai
import pytest

from ..http.world import TLS, events_of
from .table import FAULTS, SECRET
from .upstream import MODEL, gateway_before

SAID = [{"role": "user", "content": "Hi"}]

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda it: it.name)
either_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@every_fault
@either_way
async def test_what_http_clients_are_told(fault, stream):
    told = fault.streamed if stream else fault.whole
    async with gateway_before(fault) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, verify=TLS, timeout=20) as http:
            body = {"model": MODEL, "input": "Hi", "stream": stream}
            answer = await http.post("/v1/generations/text", json=body)
        asked = len(gateway.upstream.calls)
    assert SECRET not in answer.text
    assert asked == (told.tried if fault.at == "here" else 0)
    if told.code is None:
        assert _completed(answer, stream) == (told.text, "stop", told.counted_by)
        return
    text, problem = _failed(answer, stream and told.text != "")
    assert text == told.text
    assert (problem["status"], problem["code"], problem["retryable"], problem["source"]) == (
        told.status,
        told.code,
        told.retryable,
        told.source,
    )
    assert [it["status"] for it in problem["attempts"]] == [told.code] * told.tried
    if not text:
        assert answer.status_code == told.status
        assert answer.headers.get("x-should-retry") == (None if told.again else "false")


@every_fault
@either_way
async def test_what_openais_client_raises(fault, stream):
    told = fault.streamed if stream else fault.whole
    async with gateway_before(fault) as gateway:
        retries = {"max_retries": 0} if told.again else {}  # it would wait for as long as it was told to
        http = openai.DefaultAsyncHttpxClient(verify=TLS)
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="none", http_client=http, **retries
        ) as client:
            raised, text = await _asked(client, stream)
        asked = len(gateway.upstream.calls)
    assert (type(raised) if raised else None) is told.raised
    assert getattr(raised, "code", None) == told.code
    assert SECRET not in str(raised)
    assert text == (told.text if stream or told.code is None else "")
    assert asked == (told.tried if fault.at == "here" else 0)


@pytest.mark.parametrize("fault", [it for it in FAULTS if it.streamed.text], ids=lambda it: it.name)
async def test_only_a_whole_stream_has_a_finish_and_a_last_word_and_each_once(fault):
    async with gateway_before(fault) as gateway, httpx.AsyncClient(base_url=gateway.url, verify=TLS) as http:
        body = {"model": MODEL, "messages": SAID, "stream": True}
        raw = (await http.post("/v1/chat/completions", json=body)).text
    ends = 0 if fault.streamed.code else 1
    assert (raw.count('"finish_reason":"stop"'), raw.count("data: [DONE]"), raw.count('"error"')) == (
        ends,
        ends,
        1 - ends,
    )


async def _asked(client: openai.AsyncOpenAI, stream: bool) -> tuple[openai.APIError | None, str]:
    text = ""
    try:
        answer = await client.chat.completions.create(model=MODEL, messages=SAID, stream=stream)
        if not stream:
            return None, answer.choices[0].message.content
        async for chunk in answer:
            text += chunk.choices[0].delta.content or ""
    except openai.APIError as error:
        return error, text
    return None, text


def _completed(answer: httpx.Response, stream: bool) -> tuple[str, str, str]:
    """The text, why it ended, and who counted its tokens."""
    assert answer.status_code == 200
    made = events_of(answer.text)[-1][1] if stream else answer.json()
    return made["output"][0]["text"], made["finish_reason"], made["usage"]["source"]


def _failed(answer: httpx.Response, begun: bool) -> tuple[str, dict]:
    """The text that came before the failure, and the problem object."""
    if not begun:
        assert answer.headers["content-type"] == "application/problem+json"
        return "", answer.json()
    assert answer.status_code == 200
    *pieces, (last, problem) = events_of(answer.text)
    assert last == "error"
    assert "completed" not in [name for name, _ in pieces]
    return "".join(data["text"] for name, data in pieces if name == "delta"), problem
