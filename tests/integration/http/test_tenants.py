"""What belongs to somebody is for others as if it were not there, on every route that names it.

The routes are those that the service has (`expect_permissions`): a new one with an id in it is tried here by itself, or
fails for want of one.
"""

import re

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.entrypoints.http.permissions import PERMISSIONS, PUBLIC
from tests.artifact_world import PNG, ArtifactWorld
from tests.download_world import DownloadWorld

from .keyed import EVERYTHING, TEXT, guarded, made

NOWHERE = {
    "session_id": "ses_0",
    "generation_id": "gen_0",
    "artifact_id": "art_0",
    "key_id": "key_0",
    "download_id": "dl_0",
    "path": "nothing",
}
ROUTES = [
    (method, template.replace(":path}", "}"))
    for method, template in [
        *((method, template) for template, methods in PERMISSIONS.items() for method in methods),
        *sorted(PUBLIC),
    ]
    if "{" in template and "{asset}" not in template
]
GUARDED = [(method, template) for method, template in ROUTES if (method, template) not in PUBLIC]
BODIES = {"hold": {"reason": "mine"}, "sign": {}, "rotate": {}, "PATCH": {"title": "mine"}}
IDS = re.compile(r"(ses|gen|art|key|dl)_\w+|painter|nothing")


@pytest.fixture
async def tenants(tmp_path):
    """A client, what Ada has, and the headers of her, who may do everything, and of Bob, who may not ask `painter`."""
    wanted = {"artifacts": ArtifactWorld(tmp_path), "downloads": DownloadWorld(tmp_path / "models"), "keys": tmp_path}
    async with guarded(ScriptedGenerator(remembers=True), **wanted) as (world, http):
        ada, bob = await made(world, EVERYTHING), await made(world, models=("tiny", "acme/*"))
        session = (await http.post("/v1/sessions", json={"title": "diary"}, headers=ada)).json()["id"]
        turn = await http.post("/v1/generations/text", json=TEXT | {"session_id": session}, headers=ada)
        job = (await http.post("/v1/generations/text", json=TEXT | {"background": True}, headers=ada)).json()["id"]
        await http.get(f"/v1/generations/{job}", headers=ada | {"Prefer": "wait=10"})
        uploaded = await http.post("/v1/artifacts", content=PNG, headers=ada | {"Content-Type": "image/png"})
        download = await http.post("/v1/downloads", json={"source": "memory:tiny"}, headers=ada)
        await http.post(f"/v1/downloads/{download.json()['id']}/cancel", headers=ada)  # or its events would go on
        has = {
            "session_id": session,
            "generation_id": job,
            "artifact_id": uploaded.json()["id"],
            "key_id": (await http.get("/v1/me", headers=ada)).json()["id"],
            "download_id": download.json()["id"],
            "path": "painter",
        }
        yield http, has | {"state_token": turn.json()["state_token"]}, ada, bob


async def asked(http, method, template, names, headers):
    word = template.rpartition("/")[2]
    body = BODIES.get(word, BODIES.get(method)) if method in ("POST", "PATCH") else None
    return await http.request(method, template.format(**names), json=body, headers=headers)


def told(answer):
    """All that an answer tells, but for what it was asked."""
    problem = {name: IDS.sub("…", str(said)) for name, said in answer.json().items() if name != "request_id"}
    return answer.status_code, sorted(answer.headers), problem


@pytest.mark.parametrize(("method", "template"), ROUTES, ids=[" ".join(it) for it in ROUTES])
async def test_what_is_anothers_is_answered_as_what_is_not_there(tenants, method, template):
    http, has, ada, bob = tenants
    there = await asked(http, method, template, has, bob)
    nowhere = await asked(http, method, template, NOWHERE, bob)
    assert told(there) == told(nowhere)
    assert there.json()["code"] in ("not_found", "insufficient_scope", "model_not_allowed", "signature_invalid")
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
        "/v1/generations/text", json=TEXT | more | named(NOWHERE | {"state_token": "x"}), headers=bob
    )
    assert told(other) == told(nowhere)
    assert other.status_code in (404, 422)
    mine = await http.post("/v1/generations/text", json=TEXT | more | named(has), headers=ada)
    assert mine.status_code in (200, 202), mine.text


async def test_lists_have_ones_own(tenants):
    http, has, ada, bob = tenants
    for who, ids in ((ada, [has["session_id"]]), (bob, [])):
        assert [it["id"] for it in (await http.get("/v1/sessions", headers=who)).json()["data"]] == ids


async def test_a_session_of_another_is_not_gone_on_from(tenants):
    http, has, ada, bob = tenants
    for who, session, status in ((bob, has["session_id"], 404), (bob, "ses_0", 404), (ada, has["session_id"], 201)):
        opened = await http.post("/v1/sessions", json={"continued_from": session}, headers=who)
        assert opened.status_code == status, opened.text


async def test_a_key_for_a_request_is_its_senders_own(tenants):
    http, _, ada, bob = tenants
    once = {"Idempotency-Key": "once-0001"}
    first, other, again = [
        (await http.post("/v1/sessions", json={"title": "diary"}, headers=who | once)).json()["id"]
        for who in (ada, bob, ada)
    ]
    assert first == again != other


async def test_who_has_no_scope_is_told_nothing():
    async with guarded() as (world, http):
        nobody = await made(world, ())
        for method, template in GUARDED:
            refused = await asked(http, method, template, NOWHERE, nobody)
            assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope"), template
