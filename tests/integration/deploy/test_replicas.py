"""Replicas under load: whatever is killed, nothing that was acknowledged is lost, and what fails may be tried again."""

import asyncio
import os
import shutil
from collections import Counter

import pytest

from tests.integration.deploy.replicas import Conversation, Queuer, replicas, under_load

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), reason="nginx is not installed"
)
PATIENCE_S = 240


async def test_a_replica_the_database_and_the_store_are_killed_and_nothing_is_lost(tmp_path):
    async with asyncio.timeout(PATIENCE_S), replicas(tmp_path) as world:
        async with under_load(world):
            await world.acknowledge_more()
            await asyncio.to_thread(world.services[0].kill)
            await world.acknowledge_more()
            await asyncio.to_thread(world.services[0].start)
            await world.acknowledge_more()
            await asyncio.to_thread(world.database.kill)
            await asyncio.to_thread(world.database.restart)
            await world.acknowledge_more()
            await asyncio.to_thread(world.s3.kill)
            await asyncio.to_thread(world.s3.start)
            await world.acknowledge_more()
        assert [it.final for it in world.clients] == [[]] * len(world.clients)
        assert sum((it.refusals for it in world.clients), Counter())  # something did die
        for client in world.clients:
            match client:
                case Conversation():
                    await expect_every_turn_once(world, client)
                case Queuer():
                    await expect_every_job_once(world, client)
        assert (await world.http.get("/audit/verify")).raise_for_status().json()["valid"]


async def expect_every_turn_once(world, client):
    completed = [it["generation_id"] for it in await world.turns(client.session) if it["status"] == "completed"]
    assert completed == [it["id"] for it in client.acknowledged]
    assert await world.is_whole(client.session)
    for answer in client.acknowledged:
        for part in answer["output"]:
            if part["type"] == "artifact":
                assert await world.sha256_of(part["artifact"]["url"]) == part["artifact"]["sha256"]


async def expect_every_job_once(world, client):
    for queued in client.acknowledged:
        answer = await world.http.get(f"/generations/{queued['id']}", headers={"Prefer": "wait=60"})
        ended = answer.raise_for_status().json()
        assert ended["status"] == "completed" or ended["error"]["code"] in ("interrupted", "store_unavailable")
    ids = [it["id"] for it in client.acknowledged]
    assert len(set(ids)) == len(ids)
    assert {number for words, number in world.upstream.asked.items() if words.startswith("job ")} == {1}
