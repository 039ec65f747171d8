"""Who may do what: keys made, limited, changed and taken away; routes that let nobody through by themselves."""

import asyncio
import re
from datetime import timedelta

import openai
import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.system import now
from pluggably.domain.access import LOCAL_OPERATOR, Limits, Scope
from pluggably.entrypoints.http.permissions import PERMISSIONS, PUBLIC, expect_permissions, may_be_public
from tests.artifact_world import ArtifactWorld

from .keyed import EVERYTHING, TEXT, Clock, guarded, made
from .world import World, client_of, raw_connection, serving

IN_BACKGROUND = TEXT | {"background": True}


class Shelf(dict):
    """Knows what was looked for on it."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_for: list[str] = []

    def get(self, key, default=None):
        self.looked_for.append(key)
        return super().get(key, default)


async def test_without_credentials_nothing_is_done_and_nothing_told():
    async with guarded() as (world, http):
        for method, path in (
            ("POST", "/v1/generations/text"),
            ("GET", "/v1/models"),
            ("GET", "/v1/sessions"),
            ("GET", "/v1/nowhere"),
            ("GET", "/"),
            ("DELETE", "/health/live"),
            ("GET", "/health/nowhere"),
            ("GET", "/v1/nowhere/content"),
            ("PROPFIND", "/v1/models"),
            ("GET", "/v1/keys"),
            ("OPTIONS", "/v1/models"),
        ):
            refused = await http.request(method, path, json=TEXT)
            assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials"), path
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert (await http.head("/v1/models")).status_code == 401
        assert (await http.get("/health/live")).status_code == 200
        assert world.generator.requests == []


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


async def test_every_route_that_is_not_public_refuses_strangers_whatever_the_method(tmp_path):
    async with guarded(keys=tmp_path) as (_, http):
        for template in [*PERMISSIONS, *sorted({path for _, path in PUBLIC})]:
            path = re.sub(r"\{\w+(:path)?\}", "swagger-ui.css", template)
            for method in METHODS:
                answer = await http.request(method, path)
                public = ("GET" if method == "HEAD" else method, template) in PUBLIC
                assert (answer.status_code == 401) is not public, (method, path)
                if not public and method != "HEAD":
                    assert code_of(answer) == "invalid_credentials"


def code_of(answer) -> str:
    """The code of an error, in whichever form."""
    problem = answer.json()
    return problem.get("error", problem)["code"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer plk_" + "x" * 43},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "\xff"},
        {"X-API-Key": ""},
    ],
)
async def test_what_is_no_credential_is_refused(headers):
    async with guarded() as (_, http):
        refused = await http.get("/v1/models", headers={k: v.encode("latin-1") for k, v in headers.items()})
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


async def test_two_credentials_are_none():
    async with guarded() as (world, http):
        good = await made(world)
        secret = good["Authorization"].removeprefix("Bearer ")
        assert (await http.get("/v1/me", headers={"X-API-Key": secret})).status_code == 200
        assert (await http.get("/v1/me", headers=good | {"X-API-Key": secret})).status_code == 401


async def test_who_is_nobody_sends_no_body():
    world = World(api_keys=True)
    async with serving(world.app()) as url, raw_connection(url) as connection:
        await connection.send(b"POST /v1/artifacts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert b"401" in await connection.until(b"\r\n")
    async with client_of(world.app()) as http:
        refused = await http.request("GET", "/health/live", content=b"x")
        assert (refused.status_code, refused.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1//models", "/V1/models", "/v1/models/../keys", "/v1/keys/%2e%2e/models"]
)
@pytest.mark.parametrize("host", ["localhost", "admin", "127.0.0.1:80"])
async def test_odd_paths_and_hosts_open_nothing(path, host):
    async with guarded() as (_, http):
        assert (await http.get(path, headers={"Host": host})).status_code == 401


async def test_an_artifacts_url_is_its_own_credential_and_opens_nothing_else():
    async with guarded() as (_, http):
        refused = await http.get("/v1/artifacts/art_1/content?expires=1&signature=x")
        assert refused.json()["code"] in ("signature_invalid", "signature_expired")
        assert (await http.get("/v1/artifacts/art_1/../content")).status_code in (401, 404)
        assert (await http.get("/v1/sessions/content")).status_code == 401
        assert (await http.get("/v1/models/a/content")).status_code == 401


SAID = {template: set(methods) for template, methods in PERMISSIONS.items()} | {path: {"GET"} for _, path in PUBLIC}


def test_a_route_that_does_not_say_what_it_needs_is_not_served():
    with pytest.raises(RuntimeError, match="not say what DELETE /v1/models, GET /v1/new needs"):
        expect_permissions({**SAID, "/v1/models": {"GET", "POST", "DELETE"}, "/v1/new": {"GET"}})
    assert all(may_be_public(method, path.replace("{artifact_id}", "a")) for method, path in PUBLIC)


def test_what_is_said_of_a_route_that_is_not_served_is_found():
    with pytest.raises(RuntimeError, match="says what there is not: GET /health/live, POST /v1/models"):
        expect_permissions({**SAID, "/v1/models": {"GET"}, "/health/live": set()})


SCOPED = [
    ("POST", "/v1/generations/text", {Scope.GENERATE}),
    ("POST", "/v1/sessions", {Scope.SESSIONS}),
    ("GET", "/v1/models", {Scope.GENERATE, Scope.MODELS_READ, Scope.MODELS_ADMIN}),
    ("GET", "/v1/audit/reads", {Scope.AUDIT}),
    ("POST", "/v1/retention", {Scope.ADMIN}),
    ("GET", "/v1/keys", {Scope.ADMIN}),
    ("GET", "/v1/artifacts/art_1", {Scope.ARTIFACTS}),
]


@pytest.mark.parametrize(("method", "path", "enough"), SCOPED, ids=lambda it: it if isinstance(it, str) else "")
async def test_each_scope_opens_what_it_is_for_and_nothing_else(method, path, enough):
    async with guarded() as (world, http):
        for scope in Scope:
            answer = await http.request(
                method, path, headers=await made(world, {scope}), json=TEXT if "text" in path else {}
            )
            refused = answer.status_code == 403 and answer.json()["code"] == "insufficient_scope"
            assert refused == (scope not in enough), (scope, answer.text)


async def test_what_one_has_is_not_there_for_another():
    async with guarded() as (world, http):
        alice, bob = await made(world), await made(world)
        session = (await http.post("/v1/sessions", json={}, headers=alice)).json()["id"]
        assert (await http.get(f"/v1/sessions/{session}", headers=alice)).status_code == 200
        assert (await http.get(f"/v1/sessions/{session}", headers=bob)).status_code == 404
        turn = TEXT | {"session_id": session}
        assert (await http.post("/v1/generations/text", json=turn, headers=bob)).status_code == 404
        auditor = await made(world, {Scope.AUDIT})
        assert (await http.get(f"/v1/sessions/{session}", headers=auditor)).status_code == 200
        assert (await http.delete(f"/v1/sessions/{session}", headers=auditor)).status_code == 403


async def test_keys_of_one_owner_share_what_they_open():
    async with guarded() as (world, http):
        one, two = await made(world, owner="alice"), await made(world, owner="alice")
        session = (await http.post("/v1/sessions", json={}, headers=one)).json()["id"]
        assert (await http.get(f"/v1/sessions/{session}", headers=two)).status_code == 200


async def test_a_key_is_made_over_http_and_its_secret_shown_once():
    async with guarded() as (world, http):
        admin = await made(world, EVERYTHING)
        wanted = {
            "name": "ci",
            "scopes": ["generate"],
            "models": ["tiny"],
            "limits": {"requests_per_minute": 5},
            "expires_at": "2099-01-01T00:00:00Z",
        }
        answer = await http.post("/v1/keys", json=wanted, headers=admin)
        key = answer.json()
        assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/keys/{key['id']}")
        secret = key.pop("secret")
        assert (await http.get(f"/v1/keys/{key['id']}", headers=admin)).json() == key
        listed = (await http.get("/v1/keys", headers=admin)).text
        assert secret not in listed and key["id"] in listed and key["secrets"][0]["hint"] == f"…{secret[-4:]}"
        me = (await http.get("/v1/me", headers={"X-API-Key": secret})).json()
        assert (me["id"], me["scopes"], me["models"]) == (key["id"], ["generate"], ["tiny"])
        assert me["limits"] == {"requests_per_minute": 5, "tokens_per_minute": None, "concurrent": None}


async def test_nobody_gives_away_what_they_do_not_have():
    async with guarded() as (world, http):
        admin = await made(world, {Scope.ADMIN})
        refused = await http.post("/v1/keys", json={"name": "a", "scopes": ["audit"]}, headers=admin)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


async def test_nobody_takes_what_they_do_not_have_from_a_key_that_has_it():
    async with guarded() as (world, http):
        admin, other = await made(world, {Scope.ADMIN}), await made(world, EVERYTHING)
        key = (await http.get("/v1/me", headers=other)).json()["id"]
        refused = await http.post(f"/v1/keys/{key}/rotate", json={}, headers=admin)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
        assert (await http.get("/v1/me", headers=other)).status_code == 200


@pytest.mark.parametrize(
    ("models", "status"),
    [
        (None, 403),
        (["*"], 403),
        (["tiny"], 403),
        (["acme/large"], 201),
        (["acme/*"], 201),
        (["acme/l*"], 403),
        ([], 201),
    ],
)
async def test_who_has_some_models_gives_no_others_away(models, status):
    async with guarded() as (world, http):
        admin = await made(world, EVERYTHING, models=("acme/*",))
        body = {"name": "a", "scopes": ["generate"]} | ({} if models is None else {"models": models})
        assert (await http.post("/v1/keys", json=body, headers=admin)).status_code == status


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"limits": {"concurrent": 0}}, "/limits/concurrent"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"secret": "mine"}, "/secret"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(wanted, pointer):
    async with guarded() as (world, http):
        body = {"name": "a", "scopes": ["generate"]} | wanted
        refused = await http.post("/v1/keys", json=body, headers=await made(world, EVERYTHING))
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)


async def test_a_key_that_was_revoked_is_refused_within_a_second():
    async with guarded(clock=(clock := Clock())) as (world, http):
        admin, user = await made(world, EVERYTHING), await made(world)
        key = (await http.get("/v1/me", headers=user)).json()["id"]
        revoked = (await http.delete(f"/v1/keys/{key}", headers=admin)).json()
        assert revoked["revoked_at"]
        clock.ahead = timedelta(seconds=1)
        assert (await http.get("/v1/me", headers=user)).status_code == 401
        assert (await http.get(f"/v1/keys/{key}", headers=admin)).json() == revoked


async def test_a_secret_is_changed_without_a_gap():
    async with guarded(clock=(clock := Clock())) as (world, http):
        admin, old = await made(world, EVERYTHING), await made(world)
        key = (await http.get("/v1/me", headers=old)).json()["id"]
        rotated = (await http.post(f"/v1/keys/{key}/rotate", json={"overlap_s": 60}, headers=admin)).json()
        new = {"X-API-Key": rotated["secret"]}
        assert [(await http.get("/v1/me", headers=it)).json()["id"] for it in (old, new)] == [key, key]
        clock.ahead = timedelta(seconds=61)
        assert [(await http.get("/v1/me", headers=it)).status_code for it in (old, new)] == [401, 200]


async def test_a_key_ends_when_it_was_to_end():
    async with guarded(clock=(clock := Clock())) as (world, http):
        user = await made(world, expires_at=now() + timedelta(seconds=60))
        assert (await http.get("/v1/me", headers=user)).status_code == 200
        clock.ahead = timedelta(seconds=61)
        assert (await http.get("/v1/me", headers=user)).status_code == 401


async def test_when_a_key_was_used_is_kept():
    async with guarded() as (world, http):
        user = await made(world)
        key = (await http.get("/v1/me", headers=user)).json()["id"]
        assert (await world.keys.get(key, LOCAL_OPERATOR)).last_used_at is not None


async def test_a_key_is_for_its_models_alone():
    async with guarded() as (world, http):
        user = await made(world, models=("acme/*",))
        refused = await http.post("/v1/generations/text", json=TEXT, headers=user)
        assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
        allowed = {"model": "acme/large", "input": "Hello"}
        assert (await http.post("/v1/generations/text", json=allowed, headers=user)).status_code == 200
        in_background = TEXT | {"background": True}
        assert (await http.post("/v1/generations/text", json=in_background, headers=user)).status_code == 403


async def test_models_are_shown_to_those_who_may_ask_them():
    async with guarded() as (world, http):
        user, reader = await made(world, models=("acme/*",)), await made(world, {Scope.MODELS_READ})
        keeper = await made(world, {Scope.MODELS_ADMIN}, models=())
        listed = [(await http.get("/v1/models", headers=it)).json()["data"] for it in (user, reader, keeper)]
        assert [sorted(model["id"] for model in it) for it in listed] == [
            ["acme/large"],
            ["acme/large", "painter", "tiny"],
            ["acme/large", "painter", "tiny"],
        ]
        for path in ("tiny", "small", "tiny/parameters", "nothing"):
            hidden = (await http.get(f"/v1/models/{path}", headers=user)).json()
            name = path.removesuffix("/parameters")
            assert (hidden["code"], hidden["detail"]) == ("not_found", f"There is no model {name!r}.")
        assert (await http.get("/v1/models/acme/large/parameters", headers=user)).status_code == 200


@pytest.mark.parametrize("wanted", ["tiny", "nothing", "painter", None], ids=str)
async def test_who_may_not_ask_a_model_is_not_told_whether_it_is_there(wanted):
    async with guarded() as (world, http):
        user = await made(world, models=("acme/*",))
        request = {"input": "Hello", "parameters": {"top_k": 3}} | ({"model": wanted} if wanted else {})
        answers = [
            await http.post("/v1/generations/text", json=request, headers=user),
            await http.post("/v1/generations/text", json=request | {"background": True}, headers=user),
            await http.post("/v1/sessions", json={"defaults": {"text": wanted or "tiny"}}, headers=user),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (403, "model_not_allowed")
            assert "painter" not in answer.text.replace(repr(wanted), "")


async def test_a_pattern_is_not_told_what_else_there_is():
    async with guarded() as (world, http):
        user = await made(world, models=("acme/*",))
        refused = await http.post("/v1/generations/text", json={"model": "acme/lage", "input": "Hello"}, headers=user)
        assert (refused.status_code, refused.json()["code"]) == (400, "model_not_found")
        assert "tiny" not in refused.text


async def test_limits_hold_and_say_when_to_come_again():
    async with guarded() as (world, http):
        user, other = await made(world, limits=Limits(requests_per_minute=2)), await made(world)
        statuses = [(await http.post("/v1/generations/text", json=TEXT, headers=user)).status_code for _ in range(2)]
        refused = await http.post("/v1/generations/text", json=TEXT, headers=user)
        if refused.status_code == 200:  # the minute was just over
            return
        assert (statuses, refused.status_code, refused.json()["code"]) == ([200, 200], 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await http.post("/v1/generations/text", json=TEXT, headers=other)).status_code == 200


async def test_so_many_at_once_and_then_one_more_again():
    async with guarded(ScriptedGenerator(gate=(gate := asyncio.Event()))) as (world, http):
        user = await made(world, limits=Limits(concurrent=1))
        first = asyncio.create_task(http.post("/v1/generations/text", json=TEXT, headers=user))
        while not world.generator.running:
            await asyncio.sleep(0)
        assert (await http.post("/v1/generations/text", json=TEXT, headers=user)).status_code == 429
        gate.set()
        assert (await first).status_code == 200
        assert (await http.post("/v1/generations/text", json=TEXT, headers=user)).status_code == 200


async def test_tokens_are_counted_also_of_what_broke_off():
    async with guarded() as (world, http):
        user = await made(world, limits=Limits(tokens_per_minute=4))
        assert (await http.post("/v1/generations/text", json=TEXT, headers=user)).status_code == 200
        refused = await http.post("/v1/generations/text", json=TEXT, headers=user)
        assert refused.status_code in (429, 200)  # 200 if the minute was just over
        if refused.status_code == 429:
            assert "4 tokens a minute" in refused.json()["detail"]


async def test_what_is_in_the_background_counts_and_waits_until_it_may_begin():
    async with guarded(ScriptedGenerator(gate=(gate := asyncio.Event()))) as (world, http):
        user = await made(world, limits=Limits(concurrent=1))
        asked = [await http.post("/v1/generations/text", json=IN_BACKGROUND, headers=user) for _ in range(2)]
        while not world.generator.running:
            await asyncio.sleep(0)
        refused = await http.post("/v1/generations/text", json=TEXT, headers=user)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert world.generator.running == 1
        gate.set()
        for job in asked:
            path = f"/v1/generations/{job.json()['id']}"
            ended = (await http.get(path, headers=user | {"Prefer": "wait=10"})).json()
            assert ended["status"] == "completed", ended


async def test_a_job_that_tries_again_is_one_request():
    async with guarded(ScriptedGenerator(gate=(gate := asyncio.Event()))) as (world, http):
        user = await made(world, owner="ada", limits=Limits(requests_per_minute=1))
        other = await made(world, owner="ada")
        session = (await http.post("/v1/sessions", json={}, headers=user)).json()["id"]
        first = asyncio.create_task(
            http.post("/v1/generations/text", json=TEXT | {"session_id": session}, headers=other)
        )
        while not world.generator.running:
            await asyncio.sleep(0)
        asked = await http.post("/v1/generations/text", json=IN_BACKGROUND | {"session_id": session}, headers=user)
        path = f"/v1/generations/{asked.json()['id']}"
        waiting = (await http.get(path, headers=user | {"Prefer": "wait=1"})).json()
        assert waiting["status"] == "queued"
        gate.set()
        assert (await first).status_code == 200
        ended = (await http.get(path, headers=user | {"Prefer": "wait=10"})).json()
        assert ended["status"] == "completed", ended


async def test_for_what_is_not_admitted_nothing_is_fetched(tmp_path):
    artifacts = ArtifactWorld(tmp_path)
    async with guarded(artifacts=artifacts) as (world, http):
        user = await made(world, limits=Limits(concurrent=1))
        principal = await world.services.access.principal(user["Authorization"].removeprefix("Bearer "))
        await world.services.generate.metering.meter.enter(principal.account, principal.limits, "t", now())
        artifacts.egress.shelf = Shelf()
        picture = {"type": "image", "url": "https://pictures.test/b"}
        shown = {"model": "painter", "input": [{"role": "user", "content": [picture]}]}
        refused = await http.post("/v1/generations/image", json=shown, headers=user)
        assert (refused.status_code, artifacts.egress.shelf.looked_for) == (429, []), refused.text


async def test_openais_sdk_shows_its_key_and_understands_refusals():
    world = World(api_keys=True)
    secret = (await made(world))["Authorization"].removeprefix("Bearer ")
    said = [{"role": "user", "content": "Hello"}]
    async with serving(world.app()) as url:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret) as client:
            assert (await client.chat.completions.create(model="tiny", messages=said)).choices
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError) as refused:
                await client.chat.completions.create(model="tiny", messages=said)
    assert refused.value.code == "invalid_credentials"


async def test_an_open_service_is_its_operators():
    async with client_of(World().app()) as http:
        me = (await http.get("/v1/me", headers={"Authorization": "Bearer whatever"})).json()
        assert (me["id"], me["method"], me["scopes"]) == ("local", "loopback", sorted(Scope))
