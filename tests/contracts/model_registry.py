"""What every `ModelRegistry` and `ModelUses` promise; a test module per adapter subclasses these."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from pluggably.application.model_ports import ModelRegistry, ModelUses
from pluggably.domain.model import Modality
from pluggably.domain.registration import Registered, Registration
from tests.session_builders import NOON


def a_registration(model_id="smol", **facts):
    ordinary = {"provider": "local", "target": f"/models/{model_id}.gguf", "modality": Modality.TEXT}
    return Registration(id=model_id, **(ordinary | facts))


class ModelRegistryContract:
    """Fixtures to provide: `registry`, empty and closed afterwards."""

    @pytest.fixture
    def registry(self) -> ModelRegistry:
        raise NotImplementedError

    async def test_at_first_nothing_was_said(self, registry):
        assert await registry.read() == Registered()
        assert await registry.revision() == 0

    @pytest.mark.parametrize(
        "facts",
        [
            {},
            {
                "provider": "acme",
                "target": "large/v2",
                "modality": Modality.IMAGE,
                "name": "Größe",
                "license": "mit",
                "gated": False,
                "aliases": ("a", "b"),
                "pinned": True,
                "presets": {"temperature": 0.5, "stop": ["x"]},
                "allows_pickle_of": NOON + timedelta(microseconds=1),
                "created_at": NOON,
            },
        ],
        ids=["least", "most"],
    )
    async def test_what_was_said_is_read_as_it_was(self, registry, facts):
        said = a_registration(**facts)
        revision = await registry.put(said)
        assert await registry.read() == Registered(revision=revision, models=(evolve(said, revision=revision),))

    async def test_what_is_said_last_counts_and_the_models_come_in_the_order_of_their_ids(self, registry):
        for model_id in ("zeta", "alpha"):
            await registry.put(a_registration(model_id))
        await registry.put(a_registration("zeta", pinned=True))
        assert [(it.id, it.pinned) for it in (await registry.read()).models] == [("alpha", False), ("zeta", True)]

    async def test_every_change_has_another_revision_which_its_model_has_too(self, registry):
        revisions = [await registry.put(a_registration(name)) for name in ("a", "b", "a")]
        assert len(set(revisions)) == 3
        assert await registry.revision() == revisions[-1]
        assert {it.id: it.revision for it in (await registry.read()).models} == {"a": revisions[2], "b": revisions[1]}
        await registry.delete("b")
        assert await registry.revision() not in revisions

    async def test_a_default_is_set_and_taken_back_with_its_model(self, registry):
        await registry.put(a_registration("a"), {Modality.TEXT: "a", Modality.IMAGE: "a"})
        await registry.put(a_registration("b"), {Modality.TEXT: "b"})
        assert (await registry.read()).defaults == {Modality.TEXT: "b", Modality.IMAGE: "a"}
        await registry.put(a_registration("b"), {Modality.TEXT: None})
        assert (await registry.read()).defaults == {Modality.IMAGE: "a"}
        assert await registry.delete("a") is True
        assert (await registry.read()).defaults == {}

    async def test_what_was_never_said_cannot_be_forgotten(self, registry):
        await registry.put(a_registration("a"))
        before = await registry.revision()
        assert await registry.delete("b") is False
        assert await registry.revision() == before

    async def test_one_at_a_time_is_in(self, registry):
        inside, most = 0, 0

        async def enter() -> None:
            nonlocal inside, most
            async with registry.exclusively():
                inside += 1
                most = max(most, inside)
                await registry.put(a_registration())  # whoever is in can use the registry
                inside -= 1

        await asyncio.gather(*(enter() for _ in range(8)))
        assert (most, await registry.revision()) == (1, 8)


class ModelUsesContract:
    """Fixtures to provide: `uses`, empty and closed afterwards."""

    @pytest.fixture
    def uses(self) -> ModelUses:
        raise NotImplementedError

    async def test_the_latest_time_counts_whoever_tells_it_last(self, uses):
        later = NOON + timedelta(seconds=1)
        await uses.note({"a": later, "b": NOON})
        await uses.note({"a": NOON, "b": later})
        assert await uses.all() == {"a": later, "b": later}

    async def test_nothing_to_note_is_no_error(self, uses):
        await uses.note({})
        assert await uses.all() == {}

    async def test_a_model_can_be_forgotten(self, uses):
        await uses.note({"a": NOON, "b": NOON})
        for _ in range(2):
            await uses.forget("a")
        assert await uses.all() == {"b": NOON}
