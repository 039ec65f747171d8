"""What browsers are told, and what pages of other sites can do."""

import httpx
import pytest

from pluggably.entrypoints.http.permissions import PERMISSIONS, PUBLIC
from pluggably.entrypoints.http.services import HttpOptions

from .keyed import TEXT, made
from .world import World, client_of

STUDIO, ELSEWHERE = "https://studio.example", "https://elsewhere.example"
ASKING = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, content-type"}
SHARED = HttpOptions(access_log=False, cors_origins=frozenset({STUDIO}))
LOCAL = HttpOptions(access_log=False, local_only=True)
ROUTES = [(method, path) for path, methods in PERMISSIONS.items() for method in methods] + sorted(PUBLIC)


def shared(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


async def test_every_answer_says_what_it_is_and_that_it_is_not_to_be_shown(tmp_path):
    async with client_of(World(keys=tmp_path).app()) as http:
        for method, path in ROUTES:
            answer = await http.request(method, path)
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"], path
            assert answer.headers.get_list("referrer-policy") == ["no-referrer"], path
            [policy] = answer.headers.get_list("content-security-policy")
            assert "default-src 'none'" in policy
            assert len(answer.headers.get_list("cache-control")) == 1, path
            assert "server" not in answer.headers


async def test_no_page_may_call_unless_its_site_is_named():
    async with client_of(World().app()) as http:
        answer = await http.get("/v1/models", headers={"Origin": STUDIO})
        asked = await http.options("/v1/models", headers={"Origin": STUDIO} | ASKING)
        assert (shared(answer), shared(asked)) == ([], [])


async def test_pages_of_a_site_that_is_named_may_call_and_others_may_not():
    world = World(api_keys=True)
    async with client_of(world.app(SHARED)) as http:
        user = await made(world)
        asked = await http.options("/v1/sessions/ses_1", headers={"Origin": STUDIO} | ASKING)
        assert (asked.status_code, asked.content) == (204, b"")
        assert asked.headers["access-control-allow-origin"] == STUDIO
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        assert asked.headers["access-control-allow-headers"] == ASKING["Access-Control-Request-Headers"]
        for headers, status in ((user, 200), ({}, 401)):  # a page can read why it is refused
            answer = await http.get("/v1/models", headers={"Origin": STUDIO} | headers)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, STUDIO)
            assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers
        for origin in (ELSEWHERE, "null", STUDIO + ".elsewhere.example", STUDIO.upper()):
            assert shared(await http.options("/v1/models", headers={"Origin": origin} | ASKING)) == []
            answer = await http.get("/v1/models", headers={"Origin": origin} | user)
            assert (shared(answer), answer.headers["vary"]) == ([], "Origin")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080"])
async def test_an_open_service_answers_by_the_names_of_this_machine(host):
    async with client_of(World().app(LOCAL)) as http:
        assert (await http.get("/v1/models", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["rebound.example", "localhost.rebound.example", "127.0.0.1.example:80", "10.0.0.1", ""]
)
async def test_an_open_service_answers_by_no_other_name(host):
    async with client_of(World().app(LOCAL)) as http:
        refused = await http.get("/v1/models", headers={"Host": host})
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_forbidden")


async def test_a_page_elsewhere_does_nothing_with_an_open_service():
    world = World()
    async with client_of(world.app(LOCAL)) as http:
        for origin in (ELSEWHERE, "null", "http://127.0.0.1.example"):
            refused = await http.post("/v1/generations/text", json=TEXT, headers={"Origin": origin})
            assert (refused.status_code, refused.json()["code"]) == (403, "origin_forbidden")
        assert world.generator.requests == []
        for origin in ("http://localhost:5173", "http://127.0.0.1"):
            answer = await http.post("/v1/generations/text", json=TEXT, headers={"Origin": origin})
            assert answer.status_code == 200


async def test_names_of_hosts_do_not_matter_where_credentials_do():
    world = World(api_keys=True)
    async with client_of(world.app()) as http:
        user = await made(world)
        for host in ("gateway.example", "localhost", "admin"):
            assert (await http.get("/v1/me", headers={"Host": host} | user)).status_code == 200
            assert (await http.get("/v1/me", headers={"Host": host})).status_code == 401
