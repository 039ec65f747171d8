"""Everything that can go wrong with a picture at an OpenAI-compatible server, through real sockets: one row a case."""

import asyncio
import json

import pytest

from pluggably.adapters.artifacts.egress import GuardedEgress
from pluggably.adapters.providers.pictures.files import BASE64_LIMIT_BYTES, PICTURE_LIMIT_BYTES
from pluggably.domain import errors
from pluggably.domain.generation import Progress, Started

from ...pictures import encoded
from .image_answers import PNG, answering, asked_of, completed, inside, naming, partial, whole
from .openai_server import Call, end, hang, hang_up, openai_server, stalling_body, streaming

SECRET = "at /srv/secret"


def failing(status: int, **error):
    return answering({"error": {"message": SECRET} | error}, status)


def promising(size: int):
    """Say that so much comes, and then nothing."""

    async def answer(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{" % size)
        await call.client_gone()

    return answer


async def cut(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 999\r\n\r\n" + PNG)
    call.writer.close()


async def endless(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await call.send(b"100000\r\n", bytes(2**20), b"\r\n")


async def trickling(call: Call) -> None:
    """A byte at a time, each of them in time, and no end."""
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await call.send(b"1\r\n \r\n")
        await asyncio.sleep(0)


@pytest.fixture
def outcome(tmp_path):
    """The error of a server that answers so, and the events before it."""

    async def outcome(answer, settings=None, **request) -> tuple[list, errors.GatewayError]:
        async with openai_server(answer) as server:
            provider = server.provider(**({"models": ["*"], "image_models": ["*"]} | (settings or {})))
            events = []
            try:
                async for event in provider.generate(asked_of(provider, tmp_path, **request)):
                    events.append(event)
            except errors.GatewayError as error:
                return events, error
            finally:
                await provider.close()
        raise AssertionError(f"no error, but {events[-1]}")

    return outcome


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (hang_up, errors.ProviderUnreachable, ""),
        (failing(400, code="moderation_blocked"), errors.ContentPolicyViolation, ""),
        (failing(400, code="content_policy_violation"), errors.ContentPolicyViolation, ""),
        (failing(401), errors.ProviderAuthFailed, ""),
        (failing(429), errors.ProviderRateLimited, ""),
        (failing(500), errors.ProviderError, ""),
        (answering({"error": {"message": SECRET, "code": 503}}), errors.ProviderUnavailable, ""),
        (answering({"error": SECRET}), errors.ProviderBadResponse, ""),
        (answering(b"<html>Welcome</html>", media_type="text/html"), errors.ProviderBadResponse, "not a list"),
        (answering(b""), errors.ProviderBadResponse, "not a list"),
        (answering(json.dumps(whole(inside())).encode()[:-9]), errors.ProviderBadResponse, "not a list"),
        (answering(whole()), errors.ProviderBadResponse, "0 pictures"),
        (answering(whole(inside(), inside())), errors.ProviderBadResponse, "2 pictures"),
        (answering(whole({})), errors.ProviderBadResponse, "not a list"),
        (answering(whole({"b64_json": "", "url": ""})), errors.ProviderBadResponse, "not a list"),
        (answering(whole({"b64_json": "%%%%"})), errors.ProviderBadResponse, "not base64"),
        (answering(whole({"b64_json": "iVBORw0KGgo"})), errors.ProviderBadResponse, "not base64"),
        (answering(whole(inside(b"<html>"))), errors.ProviderBadResponse, "no picture"),
        (answering(whole(inside(PNG[:20]))), errors.ProviderBadResponse, "no picture"),
        (promising(BASE64_LIMIT_BYTES * 2), errors.ProviderBadResponse, "more than"),
        (cut, errors.ProviderBadResponse, "cut"),
        (naming("{origin}/1", failing(404)), errors.ProviderBadResponse, "404"),
        (naming("{origin}/1", answering(b"", 302, Location="https://files.test/1")), errors.ProviderBadResponse, "302"),
        (naming("{origin}/1", cut), errors.ProviderBadResponse, "cut"),
        (naming("{origin}/1", hang_up), errors.ProviderUnreachable, ""),
        (naming("{origin}/1", answering(b"<html>")), errors.ProviderBadResponse, "no picture"),
        (naming("{origin}/1", promising(PICTURE_LIMIT_BYTES + 1)), errors.ProviderBadResponse, "more than"),
        (naming("{origin}/1", endless), errors.ProviderBadResponse, "more than"),
    ],
)
async def test_an_answer_without_a_picture(outcome, answer, error, said):
    events, raised = await outcome(answer)
    assert type(raised) is error
    assert said in str(raised)
    assert SECRET not in str(raised)
    assert events == [Started()]


async def test_a_picture_of_another_format_than_was_asked_for(outcome):
    _, raised = await outcome(answering(whole(inside(encoded("JPEG")))), format="webp")
    assert type(raised) is errors.ProviderBadResponse


@pytest.mark.parametrize(
    "answer", [hang, stalling_body, trickling, naming("{origin}/1", stalling_body), naming("{origin}/1", trickling)]
)
async def test_a_server_that_is_not_done_in_time(outcome, answer):
    _, raised = await outcome(answer, {"first_byte_timeout_s": 0.1})
    assert type(raised) is errors.ProviderTimeout


# ── URLs ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/1",
        "https://169.254.169.254/latest/meta-data",
        "http://93.184.215.14/1",
        "http://127.0.0.1:1/1",
        "http://user@{host}/1",
        "file:///etc/passwd",
        "https://",
        "data:image/png;base64,AAAA",
    ],
)
async def test_a_url_that_is_neither_public_nor_the_servers_own_is_not_fetched(outcome, url):
    egress = GuardedEgress()
    _, raised = await outcome(naming(url, answering(PNG)), {"egress": egress})
    await egress.close()
    assert type(raised) is errors.ProviderBadResponse
    assert "nothing is fetched from" in str(raised)
    assert isinstance(raised.__cause__, errors.UrlNotAllowed)


async def test_a_private_server_that_the_operator_names_is_fetched_from(tmp_path):
    async with openai_server(answering(PNG)) as files:
        origin = files.base_url.removesuffix("/v1")
        egress = GuardedEgress(private_origins=[origin])
        async with openai_server(answering(whole({"url": f"{origin}/1"}))) as server:
            provider = server.provider(models=["m"], image_models=["m"], egress=egress)
            events = [event async for event in provider.generate(asked_of(provider, tmp_path, model="m"))]
            await provider.close()
        await egress.close()
    assert events[-1].files
    assert "sk-secret" not in files.calls[0].head


async def test_without_an_egress_no_other_server_is_asked(outcome):
    _, raised = await outcome(answering(whole({"url": "https://files.test/1"})))
    assert "not its own" in str(raised)


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────

WATCHED = {"stream": True, "preview_every": 1}
BLOCKED = {"type": "error", "error": {"code": "moderation_blocked"}}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (streaming(partial(0), then=hang_up), errors.StreamInterrupted),
        (streaming(partial(0), then=end), errors.StreamInterrupted),
        (streaming(partial(0), "[DONE]", then=end), errors.StreamInterrupted),
        (streaming(partial(0), then=hang), errors.ProviderTimeout),
        (streaming(partial(0), BLOCKED, then=end), errors.ContentPolicyViolation),
        (streaming(partial(0), {"error": {"message": SECRET}}, then=end), errors.ProviderError),
        (streaming(partial(0), {"type": "error"}, then=end), errors.ProviderError),
        (streaming(partial(0), "{trunc", then=end), errors.ProviderBadResponse),
        (streaming(partial(0), {"type": "image_generation.completed"}, then=end), errors.ProviderBadResponse),
        (streaming(partial(0), partial(1, encoded("JPEG")), then=end), errors.ProviderBadResponse),
        (streaming(partial(0), completed(b"<html>"), then=end), errors.ProviderBadResponse),
    ],
)
async def test_a_stream_that_breaks_never_completes(outcome, answer, error):
    events, raised = await outcome(answer, {"first_byte_timeout_s": 1}, **WATCHED)
    assert type(raised) is error
    assert SECRET not in str(raised)
    assert events[:2] == [Started(), Progress(1, 4, preview=PNG)]


async def test_a_server_that_does_not_stream_after_all(outcome):
    _, raised = await outcome(answering(whole(inside())), **WATCHED)
    assert type(raised) is errors.ProviderBadResponse


# ── Cancelling ────────────────────────────────────────────────────────────────────────────────────────────────────


def noting(answer, reached: asyncio.Event):
    async def noted(call: Call) -> None:
        reached.set()
        await answer(call)

    return noted


@pytest.mark.parametrize("watched", [WATCHED, {}], ids=["streamed", "whole"])
@pytest.mark.parametrize("answer", [hang, stalling_body])
@pytest.mark.parametrize("place", ["asking", "fetching"])
async def test_cancelling_closes_the_connection(tmp_path, answer, watched, place):
    reached = asyncio.Event()
    noted = noting(answer, reached)
    async with openai_server(noted if place == "asking" else naming("{origin}/1", noted)) as server:
        provider = server.provider(models=["*"], image_models=["*"])

        async def draw() -> None:
            request = asked_of(provider, tmp_path, **(watched if place == "asking" else {}))
            async for _ in provider.generate(request):
                pass

        waiting = asyncio.create_task(draw())
        await reached.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(5):
            await server.left.wait()
        await provider.close()


async def test_closing_after_a_preview_closes_the_connection(tmp_path):
    async with openai_server(streaming(partial(0), then=hang)) as server:
        provider = server.provider(models=["*"], image_models=["*"])
        events = provider.generate(asked_of(provider, tmp_path, **WATCHED))
        assert [await anext(events), (await anext(events)).preview] == [Started(), PNG]
        assert not server.left.is_set()
        await events.aclose()
        async with asyncio.timeout(5):
            await server.left.wait()
        await provider.close()
