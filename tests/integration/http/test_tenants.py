"""What belongs to somebody is for others as if it were not there, on every route that names it."""

import re

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.domain.access import Scope
from pluggably.entrypoints.http.permissions import PERMISSIONS
from tests.artifact_world import PNG, ArtifactWorld

from .keyed import TEXT, guarded, made

OWNED = {"session_id": "ses_0", "generation_id": "gen_0", "artifact_id": "art_0"}
ROUTES = [
    (method, template)
    for template, methods in PERMISSIONS.items()
    for method, needed in methods.items()
    if any(f"{{{name}}}" in template for name in OWNED) and needed != (Scope.ADMIN,)
]
BODIES = {"hold": {"reason": "mine"}, "sign": {}, "PATCH": {"title": "mine"}}
WORDS = re.compile(r"(ses|gen|art)_\w+")


@pytest.fixture
async def tenants(tmp_path):
    """A client, what Ada has, and the headers of Ada and of Bob."""
    async with guarded(ScriptedGenerator(remembers=True), artifacts=ArtifactWorld(tmp_path)) as (world, http):
        ada, bob = await made(world), await made(world)
        session = (await http.post("/v1/sessions", json={"title": "diary"}, headers=ada)).json()["id"]
        turn = await http.post("/v1/generations/text", json=TEXT | {"session_id": session}, headers=ada)
        job = (await http.post("/v1/generations/text", json=TEXT | {"background": True}, headers=ada)).json()["id"]
        await http.get(f"/v1/generations/{job}", headers=ada | {"Prefer": "wait=10"})
        uploaded = await http.post("/v1/artifacts", content=PNG, headers=ada | {"Content-Type": "image/png"})
        has = {"session_id": session, "generation_id": job, "artifact_id": uploaded.json()["id"]}
        yield http, has | {"state_token": turn.json()["state_token"]}, ada, bob


async def asked(http, method, template, names, headers):
    word = template.rpartition("/")[2]
    body = BODIES.get(word, BODIES.get(method)) if method in ("POST", "PATCH") else None
    return await http.request(method, template.format(**names), json=body, headers=headers)


def told(answer):
    """All that an answer tells, but for what it was asked."""
    problem = {name: said for name, said in answer.json().items() if name != "request_id"}
    return answer.status_code, {name: WORDS.sub("…", str(said)) for name, said in problem.items()}


@pytest.mark.parametrize(("method", "template"), ROUTES, ids=[" ".join(it) for it in ROUTES])
async def test_what_is_anothers_is_answered_as_what_is_not_there(tenants, method, template):
    http, has, ada, bob = tenants
    there = await asked(http, method, template, has, bob)
    nowhere = await asked(http, method, template, OWNED, bob)
    assert told(there) == told(nowhere)
    assert there.status_code == 404
    mine = await asked(http, method, template, has, ada)
    assert mine.status_code != 404 or "kept in memory" in mine.text


@pytest.mark.parametrize("more", [{}, {"background": True}], ids=["now", "in the background"])
@pytest.mark.parametrize(
    "named",
    [
        lambda has: {"session_id": has["session_id"]},
        lambda has: {"state_token": has["state_token"]},
        lambda has: {"input": [{"role": "user", "content": [{"type": "artifact", "artifact_id": has["artifact_id"]}]}]},
    ],
    ids=["session", "state token", "artifact"],
)
async def test_what_is_anothers_cannot_be_named_in_a_request(tenants, named, more):
    http, has, ada, bob = tenants
    other = await http.post("/v1/generations/text", json=TEXT | more | named(has), headers=bob)
    nowhere = await http.post(
        "/v1/generations/text", json=TEXT | more | named(OWNED | {"state_token": "x"}), headers=bob
    )
    assert told(other) == told(nowhere)
    assert other.status_code in (404, 422)
    mine = await http.post("/v1/generations/text", json=TEXT | more | named(has), headers=ada)
    assert mine.status_code in (200, 202), mine.text


async def test_lists_have_ones_own(tenants):
    http, has, ada, bob = tenants
    for who, ids in ((ada, [has["session_id"]]), (bob, [])):
        assert [it["id"] for it in (await http.get("/v1/sessions", headers=who)).json()["data"]] == ids


@pytest.mark.parametrize(("method", "template"), ROUTES, ids=[" ".join(it) for it in ROUTES])
async def test_who_has_no_scope_is_told_nothing(method, template):
    async with guarded() as (world, http):
        refused = await asked(http, method, template, OWNED, await made(world, ()))
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
