"""What every `ArtifactIndex` promises; a test module per adapter subclasses this and provides the fixture `index`."""

import asyncio
from datetime import timedelta

import pytest

from pluggably.application.artifact_ports import ArtifactIndex
from pluggably.domain.artifact import Content, Origin
from tests.session_builders import NOON
from tests.unit.domain.test_artifact import an_artifact

A, B = (Content(sha256=letter * 64, size_bytes=2**40) for letter in "ab")


class ArtifactIndexContract:
    """Fixtures to provide: `index`, closed afterwards."""

    @pytest.fixture
    def index(self) -> ArtifactIndex:
        raise NotImplementedError

    @pytest.mark.parametrize(
        "facts",
        [
            {},
            {
                "owner": "Grüße",
                "origin": Origin.GENERATED,
                "session_id": "ses_1",
                "generation_id": "gen_1",
                "created_at": NOON,
                "kept_until": NOON + timedelta(microseconds=1),
                "facts": {"width": 64, "bounds": [[0.0, -1.5, 1e-9], [1.0, 1.0, 1.0]], "vertices": 12},
            },
        ],
        ids=["least", "most"],
    )
    async def test_what_was_added_is_got_as_it_was(self, index, facts):
        artifact = an_artifact(content=A, **facts)
        await index.add(artifact)
        assert await index.get(artifact.id) == artifact

    async def test_what_was_never_added_is_not_there(self, index):
        await index.add(an_artifact(content=A))
        assert await index.get("art_2") is None
        assert await index.delete("art_2") is False

    async def test_the_artifacts_of_a_session_come_in_their_order(self, index):
        mine = [an_artifact(id=f"art_{number}", content=A, session_id="ses_1") for number in (1, 2, 3)]
        for artifact in (mine[2], mine[0], mine[1], an_artifact(id="art_4", content=B, session_id="ses_2")):
            await index.add(artifact)
        await index.add(an_artifact(id="art_5", content=B))
        assert list(await index.of_session("ses_1")) == mine
        assert list(await index.of_session("ses_3")) == []

    async def test_those_whose_time_is_over_are_due(self, index):
        early, late, never = (
            an_artifact(id=f"art_{number}", content=A, kept_until=until)
            for number, until in enumerate([NOON, NOON + timedelta(hours=1), None])
        )
        for artifact in (late, never, early):
            await index.add(artifact)
        assert list(await index.due(NOON - timedelta(microseconds=1), 10)) == []
        assert list(await index.due(NOON, 10)) == [early]
        assert list(await index.due(NOON + timedelta(days=1), 10)) == [early, late]
        assert list(await index.due(NOON + timedelta(days=1), 1)) == [early]

    async def test_a_content_is_needed_as_long_as_an_artifact_has_it(self, index):
        for artifact_id in ("art_1", "art_2"):
            await index.add(an_artifact(id=artifact_id, content=A))
        assert (await index.is_needed(A), await index.is_needed(B)) == (True, False)
        assert await index.delete("art_1") is True
        assert await index.is_needed(A)
        assert await index.delete("art_2") is True
        assert not await index.is_needed(A)
        assert await index.get("art_1") is await index.get("art_2") is None

    async def test_a_content_that_nobody_came_to_need_is_found(self, index):
        await index.expect(A)
        await index.expect(A)
        await index.add(an_artifact(content=B))
        assert list(await index.unneeded()) == [A]
        await index.forget(A)
        assert list(await index.unneeded()) == []

    async def test_a_content_that_nobody_needs_any_more_is_found_until_it_is_forgotten(self, index):
        await index.add(an_artifact(content=A))
        await index.delete("art_1")
        assert list(await index.unneeded()) == [A]
        await index.forget(A)
        assert list(await index.unneeded()) == []
        await index.add(an_artifact(content=A))  # it came back, noted with the artifact
        await index.delete("art_1")
        assert list(await index.unneeded()) == [A]

    async def test_the_totals_count_each_content_once_and_say_what_can_be_freed(self, index):
        await index.add(an_artifact(id="art_1", content=A, kept_until=NOON))
        await index.add(an_artifact(id="art_2", content=A))
        await index.add(due := an_artifact(id="art_3", content=B, kept_until=NOON))
        await index.expect(Content(sha256="c" * 64, size_bytes=7))
        before, after = await index.totals(NOON - timedelta(seconds=1)), await index.totals(NOON)
        assert (before.count, before.size_bytes, before.reclaimable_bytes) == (3, 2**41 + 7, 7)
        assert (after.reclaimable_bytes, [it.id for it in after.due]) == (2**40 + 7, ["art_1", due.id])

    async def test_without_artifacts_the_totals_are_nothing(self, index):
        totals = await index.totals(NOON)
        assert (totals.count, totals.size_bytes, totals.reclaimable_bytes, totals.due) == (0, 0, 0, ())

    async def test_one_at_a_time_is_in_with_the_same_content(self, index):
        inside, most, turns = 0, 0, 0

        async def enter() -> None:
            nonlocal inside, most, turns
            async with index.exclusively(A):
                inside += 1
                most, turns = max(most, inside), turns + 1
                await index.get("art_1")  # whoever is in can use the index
                inside -= 1

        await asyncio.gather(*(enter() for _ in range(12)))
        assert (most, turns) == (1, 12)

    async def test_whoever_leaves_by_an_error_or_a_cancellation_lets_others_in(self, index):
        with pytest.raises(KeyError):
            async with index.exclusively(A):
                raise KeyError
        entered = asyncio.Event()

        async def stay() -> None:
            async with index.exclusively(A):
                entered.set()
                await asyncio.Event().wait()

        staying = asyncio.create_task(stay())
        await entered.wait()
        waiting = asyncio.create_task(stay())
        await asyncio.sleep(0)
        for task in (waiting, staying):
            task.cancel()
        await asyncio.wait({waiting, staying})
        async with asyncio.timeout(10), index.exclusively(A):
            pass
