"""What holds for every request: its id, its body, its errors, its line in the log."""

import json

import httpx
import pytest

from pluggably.entrypoints.http.services import HttpOptions
from tests.integration.http.world import World, client_of, raw_connection, serving

URL = "/v1/generations/text"
JSON = {"content-type": "application/json"}
SMALL = HttpOptions(access_log=False, body_limit_bytes=1_000, json_depth=8)


@pytest.mark.parametrize("mine", ["a", "A.b_c-9", "x" * 128])
async def test_a_well_formed_request_id_is_kept(http, mine):
    assert (await http.get("/v1/models", headers={"X-Request-Id": mine})).headers["x-request-id"] == mine


@pytest.mark.parametrize("bad", ["", "x" * 129, "a b", "a/b", "ü".encode(), "a;b"], ids=repr)
async def test_another_request_id_is_replaced(http, bad):
    given = (await http.get("/v1/models", headers={"X-Request-Id": bad})).headers["x-request-id"]
    assert given.startswith("req_")


@pytest.mark.parametrize(("method", "path"), [("GET", "/none"), ("DELETE", "/v1/models"), ("GET", "/v1/sessions/x")])
async def test_errors_have_a_request_id_too(http, method, path):
    failed = await http.request(method, path)
    assert failed.json()["request_id"] == failed.headers["x-request-id"]
    assert failed.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("path", "instead"), [("/v1/session", "/v1/sessions"), ("/", "/docs")])
async def test_an_unknown_route_names_the_nearest_one_or_where_all_are(http, path, instead):
    failed = await http.get(path)
    assert (failed.status_code, failed.json()["code"]) == (404, "not_found")
    assert instead in failed.json()["detail"]


async def test_a_method_that_a_route_does_not_have_is_refused_with_those_it_has(http):
    failed = await http.delete("/v1/sessions")
    assert (failed.status_code, failed.json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(failed.headers["allow"].split(", "))


async def test_head_is_get_without_the_body(http):
    whole, head = await http.get("/v1/models"), await http.head("/v1/models")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert (await http.get("/health/live")).status_code == 200  # the connection is still good


async def test_options_says_what_there_is(http):
    answer = await http.options("/v1/sessions")
    assert answer.status_code == 200
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/xml"}], ids=str)
async def test_a_body_that_does_not_say_it_is_json_is_refused(http, headers):
    failed = await http.post(URL, content=b'{"input":"x"}', headers=headers)
    assert (failed.status_code, failed.json()["code"]) == (415, "unsupported_media_type")


async def test_json_may_say_its_character_set(http):
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await http.post(URL, content=b'{"input":"x"}', headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"input" "x"}', "byte 9"),
        (b'{"input":"x"', "byte 12"),
        (b'{"input":"x"}}', "trailing characters"),
        (b'{"input":"\xff"}', "byte 10"),
        (b"nonsense", "byte"),
        (b'{"input":NaN}', "byte 9"),
    ],
    ids=repr,
)
async def test_what_is_not_json_is_refused_with_the_place(http, body, place):
    failed = await http.post(URL, content=body, headers=JSON)
    assert (failed.status_code, failed.json()["code"]) == (400, "invalid_request")
    assert place in failed.json()["detail"]


async def test_nesting_is_bounded_exactly():
    async def status(http: httpx.AsyncClient, depth: int) -> str:
        inner = b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)
        failed = await http.post(URL, content=inner, headers=JSON)
        return failed.json()["detail"]

    async with client_of(World().app(SMALL)) as http:
        assert "nested" not in await status(http, 8)
        assert "nested more than 8 levels" in await status(http, 9)


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
@pytest.mark.parametrize("closed", [True, False])
async def test_a_hundred_thousand_levels_are_refused(http, bracket, closed):
    end = (b"]" if bracket == b"[" else b"}") * 100_000 if closed else b""
    failed = await http.post(URL, content=bracket * 100_000 + end, headers=JSON)
    assert failed.status_code == 400


async def test_brackets_inside_strings_are_no_levels(http):
    assert (await http.post(URL, json={"input": "[{" * 1_000})).status_code == 200


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_that_is_too_large_is_refused(chunked):
    async def chunks():
        for _ in range(100):
            yield b" " * 100

    async with client_of(World().app(SMALL)) as http:
        failed = await http.post(URL, content=chunks() if chunked else b" " * 1_001, headers=JSON)
        assert (failed.status_code, failed.json()["code"]) == (413, "request_too_large")
        body = json.dumps({"input": "x"}).encode().ljust(1_000)
        assert (await http.post(URL, content=body, headers=JSON)).status_code == 200


async def test_an_announced_length_that_is_too_large_is_refused_before_the_body_comes():
    async with serving(World().app(SMALL)) as url, raw_connection(url) as client:
        await client.send(b"POST /v1/generations/text HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 413 " in await client.until(b"\r\n\r\n")


async def test_an_openai_route_has_openai_errors_even_for_a_body_that_is_too_large():
    async with client_of(World().app(SMALL)) as http:
        failed = await http.post("/v1/chat/completions", content=b" " * 1_001, headers=JSON)
    assert (failed.status_code, failed.json()["error"]["code"]) == (413, "request_too_large")


async def test_the_access_log_has_a_line_for_each_request(capsys):
    async with client_of(World().app(HttpOptions(access_log=True))) as http:
        await http.get("/v1/sessions/none", headers={"X-Request-Id": "mine"})
    [line] = [line for line in capsys.readouterr().out.splitlines() if "request.completed" in line]
    for part in ("method=GET", "route=/v1/sessions/{session_id}", "status=404", "request_id=mine", "ms=", "bytes="):
        assert part in line


async def test_the_access_log_can_be_off(http, capsys):
    await http.get("/v1/models")
    assert "request.completed" not in capsys.readouterr().out
