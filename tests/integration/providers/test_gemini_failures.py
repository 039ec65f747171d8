"""Everything that can go wrong at a server of the Gemini API, through real sockets: one row a case."""

import json

import pytest
from attrs import evolve

from pluggably.domain import errors
from pluggably.domain.generation import TextDelta

from ...builders import a_picture_request, a_request
from ...pictures import encoded
from .api_server import Call, end, hang, hang_up, stalling_body, streaming
from .gemini_server import BLOCKED, answer, counting, error, gemini_server, picture, piece, text

SECRET = "at /srv/secret"


def answering(body: bytes | dict, status: int = 200, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(call: Call) -> None:
        await call.answer(content, status, **headers)

    return answer


def failing(code: int, status: str, *details: dict):
    return answering(error(code, status, *details), code)


async def reset(call: Call) -> None:
    call.writer.transport.abort()


async def talk_nonsense(call: Call) -> None:
    await call.send(b"SMTP ready\r\n\r\n")
    call.writer.close()


async def cut_body(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
    call.writer.close()


@pytest.fixture
def outcome(tmp_path):
    """The deltas that came, and the error after them."""

    async def outcome(answer, how: str, **settings) -> tuple[list, errors.GatewayError]:
        async with gemini_server(answer) as server:
            provider = server.provider(**settings)
            if how == "picture":
                model = provider.match("stub/gemini-2.5-flash-image")
                request = a_picture_request("A circle", tmp_path, model=model)
            else:
                request = evolve(a_request("Hi", model=provider.match("stub/gemini-test")), stream=how == "streamed")
            events = []
            try:
                async for event in provider.generate(request):
                    events.append(event)
            except errors.GatewayError as raised:
                assert len(server.calls) <= 1
                return [event for event in events if isinstance(event, TextDelta)], raised
            finally:
                await provider.close()
        raise AssertionError(f"no error, but {events[-1]}")

    return outcome


@pytest.mark.parametrize("how", ["streamed", "whole", "picture"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (hang, errors.ProviderTimeout),
        (hang_up, errors.ProviderUnreachable),
        (reset, errors.ProviderUnreachable),
        (talk_nonsense, errors.ProviderBadResponse),
        (answering(error(503, "UNAVAILABLE")), errors.ProviderUnavailable),
        (answering(b"<html>Welcome</html>", media_type="text/html"), errors.ProviderBadResponse),
        (answering(b""), errors.ProviderBadResponse),
        (answering(json.dumps(answer(text("Hi"))).encode()[:40]), errors.ProviderBadResponse),
        (answering(b"", 302, Location="http://127.0.0.1:1/"), errors.ProviderBadResponse),
        (cut_body, errors.ProviderBadResponse),
        (failing(400, "INVALID_ARGUMENT"), errors.InvalidRequest),
        (failing(400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), errors.ProviderAuthFailed),
        (failing(401, "UNAUTHENTICATED"), errors.ProviderAuthFailed),
        (failing(403, "PERMISSION_DENIED"), errors.ProviderAuthFailed),
        (failing(404, "NOT_FOUND"), errors.ModelNotFound),
        (answering(b"", 408), errors.ProviderTimeout),
        (failing(409, "ABORTED"), errors.ProviderUnavailable),
        (answering(b"", 413), errors.RequestTooLarge),
        (answering(b"", 422), errors.InvalidRequest),
        (failing(429, "RESOURCE_EXHAUSTED"), errors.ProviderRateLimited),
        (failing(429, "RESOURCE_EXHAUSTED", {"violations": [{"quotaId": "PerDay"}]}), errors.ProviderQuotaExhausted),
        (failing(500, "INTERNAL"), errors.ProviderError),
        (answering(b"<html>", 502), errors.ProviderUnavailable),
        (failing(503, "UNAVAILABLE"), errors.ProviderUnavailable),
        (failing(504, "DEADLINE_EXCEEDED"), errors.ProviderTimeout),
        (answering(b"", 529), errors.ProviderOverloaded),
        (answering(b"x" * 200_000, 503), errors.ProviderUnavailable),
    ],
)
async def test_an_answer_without_output(outcome, answer, kind, how):
    deltas, raised = await outcome(answer, how, first_byte_timeout_s=0.3 if answer is hang else 30)
    assert type(raised) is kind
    assert "stub" in str(raised)
    assert SECRET not in str(raised)
    assert "AIza-secret" not in str(raised)
    assert deltas == []


@pytest.mark.parametrize("how", ["whole", "picture"])
async def test_an_answer_that_policy_holds_back(outcome, how):
    for body in (BLOCKED, answer(finish="SAFETY"), answer(finish="IMAGE_SAFETY")):
        _, raised = await outcome(answering(body), how)
        assert type(raised) is errors.ContentPolicyViolation


@pytest.mark.parametrize("how", ["whole", "picture"])
async def test_an_answer_that_stalls_is_a_timeout(outcome, how):
    _, raised = await outcome(stalling_body, how, first_byte_timeout_s=0.1)
    assert type(raised) is errors.ProviderTimeout


async def test_the_provider_is_not_asked_again_before_it_says(outcome):
    _, raised = await outcome(failing(429, "RESOURCE_EXHAUSTED", {"retryDelay": "12s"}), "streamed")
    assert raised.retry_after_s == 12


ONE = piece(text("one "))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (streaming(ONE, then=hang_up), errors.StreamInterrupted),
        (streaming(ONE, then=reset), errors.StreamInterrupted),
        (streaming(ONE, then=hang), errors.StreamInterrupted),
        (streaming(ONE, then=end), errors.StreamInterrupted),
        (streaming(ONE, error(503, "UNAVAILABLE"), then=end), errors.ProviderUnavailable),
        (streaming(ONE, {"error": {}}, then=end), errors.ProviderError),
        (streaming(ONE, answer(finish="MALFORMED_FUNCTION_CALL"), then=end), errors.ProviderError),
        (streaming(ONE, "{trunc", then=end), errors.ProviderBadResponse),
        (streaming(ONE, "x" * 5_000_000, then=end), errors.ProviderBadResponse),
    ],
)
async def test_a_stream_that_breaks_keeps_what_came_and_never_completes(outcome, answer, kind):
    deltas, raised = await outcome(answer, "streamed", idle_timeout_s=0.1)
    assert type(raised) is kind
    assert SECRET not in str(raised)
    assert deltas == [TextDelta("one ")]


async def test_a_stream_that_is_silent_from_its_beginning_is_a_timeout(outcome):
    silent = streaming(piece(text("Hm", thought=True)), then=hang)
    deltas, raised = await outcome(silent, "streamed", first_byte_timeout_s=0.1)
    assert type(raised) is errors.ProviderTimeout
    assert deltas == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (answer(text("I cannot draw.")), "without a picture"),
        (answer(picture(b"<html>")), "no picture"),
        (answer(picture(encoded("PNG")[:20])), "no picture"),
        (answer({"inlineData": {"mimeType": "image/png", "data": "%%%%"}}), "not base64"),
        (answer({"inlineData": {"mimeType": "image/png"}}), "not base64"),
        (answer(picture(), finish=None), "finished"),
        (answer(picture(thought=True)), "without a picture"),
    ],
)
async def test_an_answer_without_a_picture(outcome, body, said):
    deltas, raised = await outcome(answering(body), "picture")
    assert type(raised) is errors.ProviderBadResponse
    assert said in str(raised)
    assert deltas == []


async def test_the_key_goes_in_a_header_and_never_in_a_url():
    async with gemini_server(counting) as server:
        provider = server.provider()
        for stream in (True, False):
            request = evolve(a_request("Hi", model=provider.match("stub/gemini-test")), stream=stream)
            assert [event async for event in provider.generate(request)]
        await provider.close()
    assert [call.path for call in server.calls] == [
        "/v1beta/models/gemini-test:streamGenerateContent?alt=sse",
        "/v1beta/models/gemini-test:generateContent",
    ]
    assert all("x-goog-api-key: AIza-secret\r\n" in call.head for call in server.calls)
    assert server.connections == 1


@pytest.mark.parametrize("name", ["../../x", "a/b", "a?key=1", "a#b", "a%2fb", "a b", "@evil.test/", "ü", "..", "a:b"])
async def test_a_name_of_a_model_is_one_segment_of_the_path_whatever_is_in_it(name):
    async with gemini_server(counting) as server:
        provider = server.provider(models=["*"])
        assert [event async for event in provider.generate(a_request("Hi", model=provider.match(f"stub/{name}")))]
        await provider.close()
    path = server.calls[0].path
    assert path.startswith("/v1beta/models/")
    assert path.endswith(":streamGenerateContent?alt=sse")
    assert (path.count("/"), path.count("?"), "#" in path, " " in path) == (3, 1, False, False)


async def test_closing_amid_the_output_closes_the_connection():
    async with gemini_server(streaming(ONE, then=hang)) as server:
        provider = server.provider()
        events = provider.generate(a_request("Hi", model=provider.match("stub/gemini-test")))
        while not isinstance(await anext(events), TextDelta):
            pass
        assert not server.left.is_set()
        await events.aclose()
        await server.left.wait()
        await provider.close()
