"""What nobody means well by: whatever comes, the answer is no error of the service's, and gives nothing away."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.entrypoints.http.permissions import PERMISSIONS, PUBLIC
from tests.artifact_world import ArtifactWorld

from .keyed import EVERYTHING, made
from .world import World, raw_connection, serving

OURS = re.compile(rb"Traceback|File \"|\.py\b|site-packages|/secret/|/tmp/|plk_[\w-]{43}|0x[0-9a-f]{8}")
"""What would tell of the inside, or of somebody else."""

IDS = {
    "session_id": "ses_1",
    "generation_id": "gen_1",
    "artifact_id": "art_1",
    "key_id": "key_1",
    "download_id": "dl_1",
}
ROUTES = sorted(
    re.sub(r"\{(\w+)(:\w+)?\}", lambda it: IDS.get(it[1], "tiny"), template)
    for template in {*PERMISSIONS, *(path for _, path in PUBLIC)}
)


@asynccontextmanager
async def place(folder):
    """Where it is served, and a header that opens everything."""
    world = World(ScriptedGenerator(), api_keys=True, artifacts=ArtifactWorld(folder), keys=folder)
    async with serving(world.app(lifespan=world.at_work)) as url:
        yield url, (await made(world, EVERYTHING))["Authorization"].encode()


async def answered(url: str, line: bytes, headers: list[bytes], body: bytes = b"") -> bytes:
    """All that is told, by hand: no proper client would send most of this."""
    length = b"Content-Length: %d" % len(body)
    async with raw_connection(url) as client:
        try:
            await client.send(b"\r\n".join([line, b"Connection: close", length, *headers, b"", body]))
            return await asyncio.wait_for(client.reader.read(-1), 20)
        except ConnectionError:
            return b""


def expect_harmless(told: bytes, sent: object) -> None:
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", told)
    assert status and int(status[1]) < 500, (sent, told)
    head, _, body = told.partition(b"\r\n\r\n")
    found = OURS.search(head) or OURS.search(body)
    assert not found or int(status[1]) < 400, (sent, found, told)


TOKENS = [
    b"Bearer ",
    b"Bearer  " + b"a" * 20_000,
    b"Bearer plk_" + b"A" * 43,
    b"Bearer plk_" + b"\xc3\xa9" * 20,
    b"Bearer plk_' OR 1=1 --" + b"x" * 30,
    b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInNjb3BlIjoiYWRtaW4ifQ.",
    b"Bearer " + b"." * 1_000,
    b"Bearer \xff\xfe",
    b"Bearer null",
    b"bearer\tplk_x",
    b"Basic YWRtaW46YWRtaW4=",
    b"Negotiate x",
    b"\xf0\x9f\x94\x91",
    b"Bearer %00%0d%0aX-Admin: 1",
]

PATHS = [
    b"/v1/keys/..%2f..%2fmodels",
    b"/v1/./keys",
    b"//v1//keys",
    b"/v1/keys;/health/live",
    b"/health/live/../../v1/keys",
    b"/health/live%2f..%2f..%2fv1%2fkeys",
    b"/v1/keys%00/health/live",
    b"/v1/keys?x=/health/live",
    b"/v1/keys#/health/live",
    b"/docs/..%2f..%2fpermissions",
    b"/docs/%2e%2e%2fdocument",
    b"/docs/....//x",
    b"/v1/artifacts/..%2f..%2fsigning.key/content?expires=1&signature=x",
    b"/v1/artifacts/%00/content",
    b"/v1/sessions/" + b"a" * 10_000,
    b"/v1/sessions/%ff%fe",
    b"/v1/sessions/%F0%9F%92%A9/events?after=-1",
    b"/v1/sessions?limit=99999999999999999999999999",
    b"/v1/sessions?after=%00&metadata.=x&metadata.a.b=1",
    b"/v1/sessions?" + b"metadata.a=b&" * 500,
    b"/v1/sessions/ses_1?version=1e400",
    b"/v1/models/../../etc/passwd",
    b"/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    b"/v1/models/tiny%0d%0aX: y",
    b"http://127.0.0.1:1/v1/keys",
    b"http://elsewhere.example/v1/keys",
    b"*",
    b"/%",
    b"/?%",
]

HEADERS = [
    [b"Host: "],
    [b"Host: a", b"Host: b"],
    [b"Host: elsewhere.example:99999"],
    [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Host: localhost", b"Forwarded: for=127.0.0.1"],
    [b"X-Original-URL: /v1/keys", b"X-Rewrite-URL: /v1/keys"],
    [b"X-HTTP-Method-Override: DELETE"],
    [b"X-Request-Id: " + b"a" * 1_000],
    [b"Traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-zz"],
    [b"Prefer: wait=99999999999"],
    [b"If-Match: \xff", b"If-None-Match: W/" + b'"' * 99],
    [b"Idempotency-Key: " + b"\xff" * 300],
    [b"Last-Event-ID: -1"],
    [b"Range: bytes=-0,0-,99-1"],
    [b"Accept: */*;q=x, " + b"," * 500],
    [b"Content-Type: application/json; charset=utf-7"],
    [b"Content-Type: \xff"],
    [b"Expect: 100-continue"],
    [b"Upgrade: websocket", b"Connection: Upgrade"],
    [b"Cookie: " + b"a=b;" * 500],
]

BODIES = [
    b"",
    b"\x00",
    b"\xef\xbb\xbf{}",
    '{"input":"x"}'.encode("utf-16"),
    b'{"input":"\\ud800"}',
    b'{"input":"x","input":"y"}',
    b'{"input":"\\u0000"}',
    b'{"input":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"input":"x","parameters":{"max_tokens":1e400,"seed":' + b"9" * 400 + b"}}",
    b'{"input":"x","parameters":{"stop":["' + b"a" * 100_000 + b'"]}}',
    b'{"input":"x","model":"../../etc/passwd","session_id":"ses_\\u0000","state_token":"' + b"a" * 9_999 + b'"}',
    b'{"input":[{"role":"user","content":[{"type":"image","url":"file:///etc/passwd"}]}]}',
    b'{"input":[{"role":"user","content":[{"type":"image","url":"data:image/png;base64,AAAA"}]}]}',
    b'{"input":[{"role":"user","content":[{"type":"artifact","artifact_id":"../signing.key"}]}]}',
    b'{"input":"x","metadata":{"__proto__":"x","' + b"k" * 1_000 + b'":"v"}}',
    b'{"__class__":"os.system","input":"x"}',
    b"[]",
    b"null",
    b"1",
    b'"' + b"\\" * 9_999,
]
JSON = b"Content-Type: application/json"


@pytest.mark.parametrize("shown", [True, False], ids=["with credentials", "without"])
async def test_a_corpus_of_what_attackers_send_breaks_nothing(tmp_path, shown):
    async with place(tmp_path) as (url, good):
        credentials = [b"Authorization: " + good] if shown else []
        tried = [(b"GET " + path + b" HTTP/1.1", [b"Host: x", *credentials], b"") for path in PATHS]
        tried += [(b"GET /v1/keys HTTP/1.1", [*headers, *credentials], b"") for headers in HEADERS]
        tried += [
            (b"POST %s HTTP/1.1" % path, [b"Host: x", JSON, *credentials], body)
            for path in (b"/v1/generations/text", b"/v1/chat/completions", b"/v1/sessions", b"/v1/keys", b"/v1/models")
            for body in BODIES
        ]
        if not shown:
            tried += [(b"GET /v1/keys HTTP/1.1", [b"Host: x", b"Authorization: " + token], b"") for token in TOKENS]
            tried += [(b"GET /v1/keys HTTP/1.1", [b"Host: x", b"X-API-Key: " + token], b"") for token in TOKENS]
        for line, headers, body in tried:
            told = await answered(url, line, headers, body)
            expect_harmless(told, (line, headers, body))
            assert shown or b" 200 " not in told.partition(b"\r\n")[0], (line, headers, told)


WORDS = """input model parameters session_id state_token stream messages role content type url title metadata context
name scopes limits source id max_tokens stop background"""
NAMES = st.sampled_from(re.findall(r"\w+", WORDS))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["tiny", "painter", "user"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=5),
    max_leaves=12,
)
BYTES = st.binary(max_size=60).map(lambda it: it.translate(None, b"\r\n"))
REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"LOCK"]),
        "path": st.sampled_from(ROUTES),
        "more": st.text(st.characters(codec="ascii", exclude_characters=" \r\n"), max_size=30),
        "headers": st.lists(st.tuples(st.sampled_from([b"Range", b"If-Match", b"Accept", b"Prefer", b"X"]), BYTES)),
        "body": st.dictionaries(NAMES, VALUES, max_size=6).map(lambda it: json.dumps(it).encode()) | st.binary(),
        "shown": st.booleans(),
    }
)


def test_nothing_that_can_be_made_up_breaks_it(tmp_path):
    with asyncio.Runner() as runner:
        stage = place(tmp_path)
        url, good = runner.run(stage.__aenter__())

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(REQUESTS)
        def holds(request):
            line = b"%s %s%s HTTP/1.1" % (request["method"], request["path"].encode(), request["more"].encode())
            headers = [b"Host: x", JSON, *(b"%s: %s" % it for it in request["headers"])]
            headers += [b"Authorization: " + good] * request["shown"]
            expect_harmless(runner.run(answered(url, line, headers, request["body"])), request)

        try:
            holds()
        finally:
            runner.run(stage.__aexit__(None, None, None))
