"""Everything that can go wrong at an OpenAI-compatible server, through real sockets: one row a case."""

import json
import socket

import pytest
from attrs import evolve

from pluggably.domain import errors
from pluggably.domain.generation import TextDelta, TextPart

from ...builders import a_request
from .openai_server import (
    Call,
    chunk,
    completion,
    counting,
    end,
    hang,
    hang_up,
    openai_server,
    stalling_body,
    streaming,
)


def asked_of(provider, stream: bool = True, **parameters):
    return evolve(a_request("Hi", model=provider.match("stub/gpt-test"), **parameters), stream=stream)


async def outcome(server, *, stream: bool, **settings) -> tuple[list, errors.GatewayError]:
    """The deltas that came, and the error after them."""
    provider = server.provider(**settings)
    events = []
    try:
        async for event in provider.generate(asked_of(provider, stream)):
            events.append(event)
    except errors.GatewayError as error:
        return [event for event in events if isinstance(event, TextDelta)], error
    finally:
        await provider.close()
    raise AssertionError(f"no error, but {events[-1]}")


# ── Before an answer ──────────────────────────────────────────────────────────────────────────────────────────────


async def reset(call: Call) -> None:
    call.writer.transport.abort()


async def talk_nonsense(call: Call) -> None:
    await call.send(b"SMTP ready\r\n\r\n")
    call.writer.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hang, errors.ProviderTimeout),
        (hang_up, errors.ProviderUnreachable),
        (reset, errors.ProviderUnreachable),
        (talk_nonsense, errors.ProviderBadResponse),
    ],
)
async def test_a_server_that_does_not_answer(answer, error, stream):
    async with openai_server(answer) as server:
        deltas, raised = await outcome(server, stream=stream, first_byte_timeout_s=0.1)
    assert type(raised) is error
    assert "stub" in str(raised)
    assert deltas == []


async def test_a_refused_connection():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it meanwhile
        async with openai_server(counting) as server:
            base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
            _, raised = await outcome(server, stream=True, base_url=base_url)
    assert type(raised) is errors.ProviderUnreachable


async def test_a_name_that_does_not_resolve():
    async with openai_server(counting) as server:
        _, raised = await outcome(server, stream=True, base_url="http://nowhere.invalid/v1")
    assert type(raised) is errors.ProviderUnreachable


async def test_a_connection_that_is_never_accepted():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue that `listen` keeps
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(listening.getsockname())
        async with openai_server(counting) as server:
            base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
            _, raised = await outcome(server, stream=True, base_url=base_url, connect_timeout_s=0.1)
        for other in waiting:
            other.close()
    assert type(raised) is errors.ProviderTimeout


# ── An answer that is not one ─────────────────────────────────────────────────────────────────────────────────────

SECRET = "at /srv/secret"


def answering(body: bytes, status: int = 200, **headers):
    async def answer(call: Call) -> None:
        await call.answer(body, status, **headers)

    return answer


def failing(status: int, **error):
    return answering(json.dumps({"error": {"message": SECRET} | error}).encode(), status)


async def cut_body(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
    call.writer.close()


HUGE = json.dumps({"error": {"message": "x" * 200_000, "code": "context_length_exceeded"}}).encode()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answering(b'{"error":{"message":"at /srv/secret"}}'), errors.ProviderBadResponse),
        (answering(b'{"error":{"message":"slow down","code":429}}'), errors.ProviderRateLimited),
        (answering(b"<html>Welcome</html>", media_type="text/html"), errors.ProviderBadResponse),
        (answering(b""), errors.ProviderBadResponse),
        (answering(json.dumps(completion()).encode()[:40]), errors.ProviderBadResponse),
        (answering(b"", 302, Location="http://127.0.0.1:1/"), errors.ProviderBadResponse),
        (cut_body, errors.ProviderBadResponse),
        (failing(400), errors.InvalidRequest),
        (failing(400, code="context_length_exceeded"), errors.ContextLengthExceeded),
        (failing(401), errors.ProviderAuthFailed),
        (failing(403), errors.ProviderAuthFailed),
        (failing(404, code="model_not_found"), errors.ModelNotFound),
        (failing(429), errors.ProviderRateLimited),
        (failing(429, code="insufficient_quota"), errors.ProviderQuotaExhausted),
        (failing(500), errors.ProviderError),
        (failing(502), errors.ProviderUnavailable),
        (failing(503), errors.ProviderUnavailable),
        (failing(529), errors.ProviderOverloaded),
        (answering(HUGE, 503), errors.ProviderUnavailable),
    ],
)
async def test_an_answer_without_output(answer, error, stream):
    async with openai_server(answer) as server:
        deltas, raised = await outcome(server, stream=stream)
    assert type(raised) is error
    assert SECRET not in str(raised)
    assert "sk-secret" not in str(raised)
    assert deltas == []


async def test_a_whole_answer_that_stalls_is_a_timeout():
    async with openai_server(stalling_body) as server:
        _, raised = await outcome(server, stream=False, first_byte_timeout_s=0.1)
    assert type(raised) is errors.ProviderTimeout


async def test_the_provider_is_not_asked_again_before_it_says():
    async with openai_server(answering(b"", 429, Retry_After="12")) as server:
        _, raised = await outcome(server, stream=True)
        assert len(server.calls) == 1
    assert raised.retry_after_s == 12


# ── A stream that breaks ──────────────────────────────────────────────────────────────────────────────────────────


ONE = chunk("one ")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (streaming(ONE, then=hang_up), errors.StreamInterrupted),
        (streaming(ONE, then=reset), errors.StreamInterrupted),
        (streaming(ONE, then=hang), errors.StreamInterrupted),
        (streaming(ONE, then=end), errors.StreamInterrupted),
        (streaming(ONE, "[DONE]", then=end), errors.StreamInterrupted),
        (streaming(ONE, {"error": {"message": SECRET, "code": 503}}, then=end), errors.ProviderUnavailable),
        (streaming(ONE, {"error": {"message": SECRET}}, then=end), errors.ProviderError),
        (streaming(ONE, "{trunc", then=end), errors.ProviderBadResponse),
        (streaming(ONE, "x" * 5_000_000, then=end), errors.ProviderBadResponse),
    ],
)
async def test_a_stream_that_breaks_keeps_what_came_and_never_completes(answer, error):
    async with openai_server(answer) as server:
        deltas, raised = await outcome(server, stream=True, idle_timeout_s=0.1)
    assert type(raised) is error
    assert SECRET not in str(raised)
    assert deltas == [TextDelta("one ")]


async def test_a_stream_that_is_silent_from_its_beginning_is_a_timeout():
    async with openai_server(streaming(chunk("", role="assistant"), then=hang)) as server:
        deltas, raised = await outcome(server, stream=True, first_byte_timeout_s=0.1, idle_timeout_s=60)
    assert type(raised) is errors.ProviderTimeout
    assert deltas == []


async def test_a_stream_without_a_last_word_is_whole_when_its_output_is():
    async with openai_server(streaming(ONE, chunk(finish_reason="stop"), then=end)) as server:
        provider = server.provider()
        events = [event async for event in provider.generate(asked_of(provider))]
        await provider.close()
    assert events[-1].output == (TextPart("one "),)
    assert events[-1].usage.source == "estimated"
