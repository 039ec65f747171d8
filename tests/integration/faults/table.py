"""Everything that an upstream can do wrong, and what the gateway's clients are told of it: one row a fault.

`tried` is how often the upstream is asked by a request that may ask it three times, without pauses.
"""

import asyncio
import json
from typing import Literal

import openai
from attrs import evolve, field, frozen

from ..providers.openai_server import Answer, Call, chunk, completion, end, hang, hang_up, streaming, usage


@frozen(kw_only=True)
class Told:
    """What the clients of one request are told: a failure if it has a `code`; `text` is what came of the output.

    `status` is that of the error; where output came before it, the answer's own was 200. `again` says whether OpenAI's
    client may send the request again by itself.
    """

    status: int
    code: str | None = None
    retryable: bool = False
    source: Literal["provider", "client"] = "provider"
    raised: type[openai.APIError] | None = None
    tried: int = 1
    again: bool = False
    text: str = ""
    counted_by: Literal["provider", "estimated"] = "provider"

    def times(self, tried: int) -> "Told":
        """The same after so many tries."""
        return evolve(self, tried=tried)

    def after(self, text: str) -> "Told":
        """The same, but some output came before: nothing is tried again, and the SDK knows no status."""
        return evolve(self, tried=1, text=text, raised=openai.APIError)


@frozen
class Fault:
    """One thing that goes wrong, by the bytes that the upstream sends.

    `settings` are the provider's; `at` is where it believes the upstream to be, if that is not the fault server itself.
    """

    name: str
    answer: Answer
    whole: Told
    streamed: Told
    settings: dict = field(factory=dict, kw_only=True)
    at: Literal["here", "refused", "unknown name", "untrusted"] = field(default="here", kw_only=True)


# ── What clients are told ─────────────────────────────────────────────────────────────────────────────────────────

SERVER = openai.InternalServerError

UNREACHABLE = Told(status=502, code="provider_unreachable", retryable=True, raised=SERVER, tried=3)
TIMEOUT = Told(status=504, code="provider_timeout", retryable=True, raised=SERVER, tried=3)
NONSENSE = Told(status=502, code="provider_bad_response", retryable=True, raised=SERVER, tried=3)
BROKEN = Told(status=502, code="provider_error", retryable=True, raised=SERVER, tried=3)
AWAY = Told(status=503, code="provider_unavailable", retryable=True, raised=SERVER, tried=3)
OVERLOADED = Told(status=503, code="provider_overloaded", retryable=True, raised=SERVER, tried=3)
LIMITED = Told(status=429, code="provider_rate_limited", retryable=True, raised=openai.RateLimitError, tried=3)
NO_QUOTA = Told(status=503, code="provider_quota_exhausted", raised=SERVER)
NO_ACCESS = Told(status=502, code="provider_auth_failed", raised=SERVER)
INTERRUPTED = Told(status=502, code="stream_interrupted", raised=openai.APIError)
INVALID = Told(status=400, code="invalid_request", source="client", raised=openai.BadRequestError)
NO_MODEL = Told(status=400, code="model_not_found", source="client", raised=openai.BadRequestError)
TOO_LONG = Told(status=400, code="context_length_exceeded", source="client", raised=openai.BadRequestError)
REFUSED = Told(status=400, code="content_policy_violation", raised=openai.BadRequestError)
TOO_LARGE = Told(status=413, code="request_too_large", source="client", raised=openai.APIStatusError)

WELL = Told(status=200, text="one two")
WELL_BUT_UNCOUNTED = evolve(WELL, counted_by="estimated")

# ── What the upstream does ────────────────────────────────────────────────────────────────────────────────────────

ROLE, ONE, TWO, STOP = chunk("", role="assistant"), chunk("one "), chunk("two"), chunk(finish_reason="stop")
WHOLE = json.dumps(completion("one two")).encode()
SECRET = "at /srv/secret with sk-upstream"  # what an upstream says is never handed on
HUGE, LONG = 33 * 2**20, 5 * 2**20  # more than is taken of an answer, and of an event
QUICK = {"first_byte_timeout_s": 0.1, "idle_timeout_s": 0.1}


def either(whole: Answer, streamed: Answer) -> Answer:
    """One thing for a request that wants it whole, another for one that streams."""

    async def answer(call: Call) -> None:
        await (streamed if call.body.get("stream") else whole)(call)

    return answer


def saying(body: bytes, status: int = 200, media_type: str = "application/json", **headers: str) -> Answer:
    async def answer(call: Call) -> None:
        await call.answer(body, status, media_type, **headers)

    return answer


def failing(status: int, headers: dict | None = None, **error: object) -> Answer:
    body = json.dumps({"error": {"message": SECRET} | error}).encode()
    return saying(body, status, **(headers or {}))


def told(**changes: object) -> Answer:
    """A whole completion but for these fields."""
    return saying(json.dumps(completion("one two") | changes).encode())


async def reset(call: Call) -> None:
    call.writer.transport.abort()


async def answer_head(call: Call) -> None:
    """The head of an answer, and not a byte more."""
    if call.body.get("stream"):
        await call.begin_stream()
    else:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n")


def after(begin: Answer, then: Answer) -> Answer:
    async def answer(call: Call) -> None:
        await begin(call)
        await then(call)

    return answer


async def half_a_body(call: Call) -> None:
    await answer_head(call)
    await call.send(WHOLE[:60])


async def half_an_event(call: Call) -> None:
    """A chunk of the transfer that is whole, and the event in it is not."""
    await call.send(b'15\r\ndata: {"choices":[{"d\r\n')


async def dripping(call: Call) -> None:
    """A right answer, byte by byte."""
    if call.body.get("stream"):
        events = "".join(f"data: {it if isinstance(it, str) else json.dumps(it)}\n\n" for it in (ONE, TWO, STOP, DONE))
        await call.begin_stream()
        for byte in events.encode():
            await call.send(b"1\r\n" + bytes([byte]) + b"\r\n")
        await call.end_stream()
    else:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(WHOLE))
        for byte in WHOLE:
            await call.send(bytes([byte]))


async def pings_for_ever(call: Call) -> None:
    """Signs of life, and nothing else, until the client has had enough of it."""
    while not call.writer.is_closing():
        await call.send(b"8\r\n: ping\n\n\r\n")
        await asyncio.sleep(0.02)


async def huge(call: Call) -> None:
    """A body without an end that is worth waiting for."""
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{")
    for _ in range(HUGE // 2**18):
        await call.send(b" " * 2**18)


DONE = "[DONE]"
USAGE = {"prompt_tokens": 9, "completion_tokens": 2}

# ── The table ─────────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = (
    # no connection
    Fault("refused", hang, UNREACHABLE, UNREACHABLE, at="refused"),
    Fault("DNS", hang, UNREACHABLE, UNREACHABLE, at="unknown name"),
    Fault("TLS", hang, UNREACHABLE, UNREACHABLE, at="untrusted"),
    # the connection is lost, or nothing comes of it
    Fault("reset before headers", reset, UNREACHABLE, UNREACHABLE),
    Fault("closed before headers", hang_up, UNREACHABLE, UNREACHABLE),
    Fault("reset after headers", after(answer_head, reset), NONSENSE, NONSENSE),
    Fault("cut mid-body", after(half_a_body, hang_up), NONSENSE, NONSENSE),
    Fault(
        "cut after output",
        either(after(half_a_body, reset), streaming(ONE, then=reset)),
        NONSENSE,
        INTERRUPTED.after("one "),
    ),
    Fault(
        "cut mid-event",
        either(after(half_a_body, hang_up), streaming(ONE, then=after(half_an_event, hang_up))),
        NONSENSE,
        INTERRUPTED.after("one "),
    ),
    Fault(
        "ended mid-event",
        either(after(half_a_body, hang_up), streaming(ONE, then=after(half_an_event, end))),
        NONSENSE,
        INTERRUPTED.after("one "),
    ),
    Fault("stall before headers", hang, TIMEOUT, TIMEOUT, settings=QUICK),
    Fault("stall after headers", after(answer_head, hang), TIMEOUT, TIMEOUT, settings=QUICK),
    Fault(
        "stall between tokens",
        either(after(half_a_body, hang), streaming(ONE, then=hang)),
        TIMEOUT,
        INTERRUPTED.after("one "),
        settings=QUICK,
    ),
    Fault(
        "pings instead of tokens",
        either(streaming(then=pings_for_ever), streaming(ONE, then=pings_for_ever)),
        TIMEOUT,
        INTERRUPTED.after("one "),
        settings=QUICK,
    ),
    Fault("slow drip", dripping, WELL, WELL_BUT_UNCOUNTED),
    # an answer that is none
    Fault("not HTTP", after(lambda call: call.send(b"SMTP ready\r\n\r\n"), hang_up), NONSENSE, NONSENSE),
    Fault("redirect", saying(b"", 302, Location="http://127.0.0.1:9/v1"), NONSENSE, NONSENSE),
    Fault("wrong content type", saying(b"data: {}\n\n", media_type="text/plain"), NONSENSE, NONSENSE),
    Fault("whole where a stream is wanted", saying(WHOLE), WELL, NONSENSE),
    Fault("HTML with 200", saying(b"<html>Welcome</html>", media_type="text/html"), NONSENSE, NONSENSE),
    Fault("empty 200", saying(b""), NONSENSE, NONSENSE),
    Fault("empty stream", either(saying(b"{}"), streaming(then=end)), NONSENSE, NONSENSE),
    Fault(
        "error with 200", either(failing(200), streaming({"error": {"message": SECRET}}, then=end)), NONSENSE, BROKEN
    ),
    Fault(
        "error 429 with 200",
        either(failing(200, code=429), streaming({"error": {"code": 429}}, then=end)),
        LIMITED,
        LIMITED,
    ),
    Fault(
        "error after output",
        either(failing(200, code=503), streaming(ONE, {"error": {"message": SECRET, "code": 503}}, then=end)),
        AWAY,
        AWAY.after("one "),
    ),
    Fault("bad JSON", either(saying(b"{trunc"), streaming("{trunc", then=end)), NONSENSE, NONSENSE),
    Fault(
        "bad JSON after output",
        either(saying(WHOLE[:-9]), streaming(ONE, "{trunc", then=end)),
        NONSENSE,
        NONSENSE.after("one "),
    ),
    Fault(
        "not UTF-8",
        either(
            saying(b'{"choices":"\xff"}'),
            streaming(ROLE, then=after(lambda call: call.send(b"a\r\ndata: \xff\xff\n\n\r\n"), end)),
        ),
        NONSENSE,
        NONSENSE,
    ),
    Fault("huge body", either(huge, streaming("x" * LONG, then=end)), NONSENSE, NONSENSE),
    # what its status says
    Fault("400", failing(400), INVALID, INVALID),
    Fault("400 context length", failing(400, code="context_length_exceeded"), TOO_LONG, TOO_LONG),
    Fault("400 content filter", failing(400, code="content_filter"), REFUSED, REFUSED),
    Fault("401", failing(401), NO_ACCESS, NO_ACCESS),
    Fault("402", failing(402), NO_QUOTA, NO_QUOTA),
    Fault("403", failing(403), NO_ACCESS, NO_ACCESS),
    Fault("404", failing(404, code="model_not_found"), NO_MODEL, NO_MODEL),
    Fault("404 of another kind", saying(b"<html>", 404, "text/html"), NONSENSE, NONSENSE),
    Fault("408", failing(408), TIMEOUT, TIMEOUT),
    Fault("409", failing(409), AWAY, AWAY),
    Fault("413", failing(413), TOO_LARGE, TOO_LARGE),
    Fault("422", failing(422), INVALID, INVALID),
    Fault("429 rate", failing(429), LIMITED, LIMITED),
    Fault(
        "429 rate, for a minute",
        failing(429, {"Retry_After": "60"}),
        evolve(LIMITED, tried=1, again=True),
        evolve(LIMITED, tried=1, again=True),
    ),
    Fault("429 quota", failing(429, code="insufficient_quota"), NO_QUOTA, NO_QUOTA),
    Fault("500", failing(500), BROKEN, BROKEN),
    Fault("502", saying(b"<html>Bad gateway</html>", 502, "text/html"), AWAY, AWAY),
    Fault("503", failing(503), AWAY, AWAY),
    Fault(
        "503, for a minute",
        failing(503, {"Retry_After": "60"}),
        evolve(AWAY, tried=1, again=True),
        evolve(AWAY, tried=1, again=True),
    ),
    Fault("504", failing(504), TIMEOUT, TIMEOUT),
    Fault("529", failing(529), OVERLOADED, OVERLOADED),
    Fault("500 with a huge body", saying(b" " * LONG, 500), BROKEN, BROKEN),
    # an answer that is not quite one
    Fault(
        "missing finish",
        either(told(choices=[{"index": 0, "message": {"content": "one two"}}]), streaming(ONE, TWO, DONE, then=end)),
        NONSENSE,
        INTERRUPTED.after("one two"),
    ),
    Fault("missing finish, no output", either(told(choices=[]), streaming(ROLE, DONE, then=end)), NONSENSE, NONSENSE),
    Fault(
        "duplicate finish",
        either(saying(WHOLE), streaming(ONE, TWO, STOP, STOP, DONE, DONE, then=end)),
        WELL,
        WELL_BUT_UNCOUNTED,
    ),
    Fault(
        "empty second finish",
        either(saying(WHOLE), streaming(ONE, TWO, STOP, chunk("", ""), DONE, then=end)),
        WELL,
        WELL_BUT_UNCOUNTED,
    ),
    Fault("no last word", either(saying(WHOLE), streaming(ONE, TWO, STOP, usage(2), then=end)), WELL, WELL),
    Fault(
        "usage missing",
        either(told(usage=None), streaming(ONE, TWO, STOP, DONE, then=end)),
        WELL_BUT_UNCOUNTED,
        WELL_BUT_UNCOUNTED,
    ),
    Fault(
        "usage empty",
        either(told(usage={}), streaming(ONE, TWO, STOP | {"usage": {}}, DONE, then=end)),
        WELL_BUT_UNCOUNTED,
        WELL_BUT_UNCOUNTED,
    ),
    Fault(
        "usage of nothing",
        either(
            told(usage={"prompt_tokens": None}),
            streaming(ONE, TWO, STOP | {"usage": {"completion_tokens": None}}, DONE, then=end),
        ),
        WELL_BUT_UNCOUNTED,
        WELL_BUT_UNCOUNTED,
    ),
    Fault(
        "usage with the finish",
        either(saying(WHOLE), streaming(ONE, TWO, STOP | {"usage": USAGE}, DONE, then=end)),
        WELL,
        WELL,
    ),
    Fault(
        "usage in every chunk",
        either(saying(WHOLE), streaming(*(it | {"usage": USAGE} for it in (ONE, TWO, STOP)), DONE, then=end)),
        WELL,
        WELL,
    ),
    Fault(
        "usage at the beginning only",
        either(
            saying(WHOLE),
            streaming(ROLE | {"usage": {"prompt_tokens": 9, "completion_tokens": 0}}, ONE, TWO, STOP, DONE, then=end),
        ),
        WELL,
        WELL_BUT_UNCOUNTED,
    ),
)
