"""Everything that can go wrong at a server of Anthropic's API, through real sockets: one row a case."""

import json

import pytest
from attrs import evolve

from pluggably.domain import errors
from pluggably.domain.generation import TextDelta, TextPart

from ...builders import a_request
from .anthropic_server import PING, STOP, anthropic_server, begin, counting, finish, message, more, said, start, text
from .api_server import Call, end, hang, hang_up, stalling_body, streaming

SECRET = "at /srv/secret"


def asked_of(provider, stream: bool = True):
    return evolve(a_request("Hi", model=provider.match("stub/claude-test")), stream=stream)


async def outcome(answer, *, stream: bool, **settings) -> tuple[list, errors.GatewayError]:
    """The deltas that came, and the error after them."""
    async with anthropic_server(answer) as server:
        provider = server.provider(**settings)
        events = []
        try:
            async for event in provider.generate(asked_of(provider, stream)):
                events.append(event)
        except errors.GatewayError as error:
            assert len(server.calls) <= 1
            return [event for event in events if isinstance(event, TextDelta)], error
        finally:
            await provider.close()
    raise AssertionError(f"no error, but {events[-1]}")


def answering(body: bytes, status: int = 200, **headers):
    async def answer(call: Call) -> None:
        await call.answer(body, status, **headers)

    return answer


def failing(status: int, kind: str, **facts):
    error = {"type": kind, "message": SECRET} | facts
    return answering(json.dumps({"type": "error", "error": error}).encode(), status)


async def reset(call: Call) -> None:
    call.writer.transport.abort()


async def talk_nonsense(call: Call) -> None:
    await call.send(b"SMTP ready\r\n\r\n")
    call.writer.close()


async def cut_body(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
    call.writer.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hang, errors.ProviderTimeout),
        (hang_up, errors.ProviderUnreachable),
        (reset, errors.ProviderUnreachable),
        (talk_nonsense, errors.ProviderBadResponse),
        (failing(200, "api_error"), errors.ProviderError),
        (failing(200, "overloaded_error"), errors.ProviderOverloaded),
        (answering(b"<html>Welcome</html>", media_type="text/html"), errors.ProviderBadResponse),
        (answering(b""), errors.ProviderBadResponse),
        (answering(json.dumps(message(text("Hi"))).encode()[:40]), errors.ProviderBadResponse),
        (answering(b"", 302, Location="http://127.0.0.1:1/"), errors.ProviderBadResponse),
        (cut_body, errors.ProviderBadResponse),
        (failing(400, "invalid_request_error"), errors.InvalidRequest),
        (failing(400, "invalid_request_error", message="prompt is too long: 9"), errors.ContextLengthExceeded),
        (failing(401, "authentication_error"), errors.ProviderAuthFailed),
        (failing(402, "billing_error"), errors.ProviderQuotaExhausted),
        (failing(403, "permission_error"), errors.ProviderAuthFailed),
        (failing(404, "not_found_error"), errors.ModelNotFound),
        (failing(408, "timeout_error"), errors.ProviderTimeout),
        (failing(409, "conflict_error"), errors.ProviderUnavailable),
        (failing(413, "request_too_large"), errors.RequestTooLarge),
        (answering(b"", 422), errors.InvalidRequest),
        (failing(429, "rate_limit_error"), errors.ProviderRateLimited),
        (
            failing(429, "rate_limit_error", details={"error_code": "contract_spend_limit_reached"}),
            errors.ProviderQuotaExhausted,
        ),
        (failing(500, "api_error"), errors.ProviderError),
        (answering(b"<html>", 502), errors.ProviderUnavailable),
        (answering(b"", 503), errors.ProviderUnavailable),
        (failing(504, "timeout_error"), errors.ProviderTimeout),
        (failing(529, "overloaded_error"), errors.ProviderOverloaded),
        (answering(b"x" * 200_000, 503), errors.ProviderUnavailable),
    ],
)
async def test_an_answer_without_output(answer, error, stream):
    deltas, raised = await outcome(answer, stream=stream, first_byte_timeout_s=0.3 if answer is hang else 30)
    assert type(raised) is error
    assert "stub" in str(raised)
    assert SECRET not in str(raised)
    assert "sk-ant-secret" not in str(raised)
    assert deltas == []


async def test_a_whole_answer_that_stalls_is_a_timeout():
    _, raised = await outcome(stalling_body, stream=False, first_byte_timeout_s=0.1)
    assert type(raised) is errors.ProviderTimeout


async def test_the_provider_is_not_asked_again_before_it_says():
    _, raised = await outcome(answering(b"", 429, Retry_After="12"), stream=True)
    assert raised.retry_after_s == 12


ONE = [start(), begin(0, text("")), more(0, "text_delta", text="one ")]
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": SECRET}}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (streaming(*ONE, then=hang_up), errors.StreamInterrupted),
        (streaming(*ONE, then=reset), errors.StreamInterrupted),
        (streaming(*ONE, then=hang), errors.StreamInterrupted),
        (streaming(*ONE, then=end), errors.StreamInterrupted),
        (streaming(*ONE, STOP, then=end), errors.StreamInterrupted),
        (streaming(*ONE, OVERLOADED, then=end), errors.ProviderOverloaded),
        (streaming(*ONE, {"type": "error"}, then=end), errors.ProviderError),
        (streaming(*ONE, "{trunc", then=end), errors.ProviderBadResponse),
        (streaming(*ONE, {"no": "type"}, then=end), errors.ProviderBadResponse),
        (streaming(*ONE, "x" * 5_000_000, then=end), errors.ProviderBadResponse),
    ],
)
async def test_a_stream_that_breaks_keeps_what_came_and_never_completes(answer, error):
    deltas, raised = await outcome(answer, stream=True, idle_timeout_s=0.1)
    assert type(raised) is error
    assert SECRET not in str(raised)
    assert deltas == [TextDelta("one ")]


async def test_a_stream_that_is_silent_from_its_beginning_is_a_timeout():
    deltas, raised = await outcome(streaming(start(), PING, then=hang), stream=True, first_byte_timeout_s=0.1)
    assert type(raised) is errors.ProviderTimeout
    assert deltas == []


async def test_a_stream_without_a_last_word_is_whole_when_its_output_is():
    async with anthropic_server(streaming(start(), *said("one "), finish(), then=end)) as server:
        provider = server.provider()
        events = [event async for event in provider.generate(asked_of(provider))]
        await provider.close()
    assert events[-1].output == (TextPart("one "),)


async def test_the_key_and_the_version_go_in_headers():
    async with anthropic_server(counting) as server:
        provider = server.provider()
        assert [event async for event in provider.generate(asked_of(provider))]
        await provider.close()
    call = server.calls[0]
    assert call.path == "/v1/messages"
    assert "x-api-key: sk-ant-secret\r\n" in call.head
    assert "anthropic-version: 2026-10-21\r\n" in call.head
    assert "authorization" not in call.head.lower()


async def test_closing_amid_the_output_closes_the_connection():
    async with anthropic_server(streaming(*ONE, then=hang)) as server:
        provider = server.provider()
        events = provider.generate(asked_of(provider))
        while not isinstance(await anext(events), TextDelta):
            pass
        assert not server.left.is_set()
        await events.aclose()
        await server.left.wait()
        await provider.close()
