"""What operators say of models, over real files and databases: it always wins, and all gateways see it."""

import asyncio
import json

import pytest

from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.models import ListedModels
from pluggably.domain.access import LOCAL_OPERATOR, Principal
from pluggably.domain.errors import (
    InsufficientScope,
    InvalidRequest,
    ModelBusy,
    ModelNotFound,
    NameTaken,
    NotFound,
    VersionConflict,
)
from pluggably.domain.model import EngineProfile, Modality, ModelStatus
from pluggably.entrypoints.upkeep.catalog import being_kept_up
from tests.builders import a_model
from tests.model_world import ENGINES, ModelWorld
from tests.unit.catalog.gguf_file import a_gguf
from tests.unit.catalog.test_facts import put_in_hub_cache
from tests.unit.catalog.test_folder import put, put_pipeline, put_safetensors

NOBODY = Principal(id="nobody", method="key")
LARGE = a_model("acme/large", upstream="large", provider="acme", origin="provider")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
async def world(root, tmp_path):
    database = SqliteDatabase(tmp_path / "gateway.sqlite")
    made = []

    def make(**options):
        made.append(ModelWorld(root, database, **options))
        return made[-1]

    yield make
    for it in made:
        await it.files.close()
    await database.close()


async def test_a_file_is_registered_under_a_name_and_answers_to_nothing_else(world, root):
    put(root, "Smol.Q4_1.gguf")
    here = world()
    model = await here.register(path="Smol.Q4_1.gguf", id_="mine", aliases=("ours",), license="mit", gated=True)
    assert (model.id, model.origin, model.license, model.gated) == ("mine", "registered", "mit", True)
    assert (model.quantization, model.context_length, model.status) == ("Q4_1", 2048, ModelStatus.AVAILABLE)
    assert await here.ids() == ["mine"]
    assert (await here.catalog.resolve("ours", Modality.TEXT)).id == "mine"
    with pytest.raises(NotFound):
        await here.catalog.get("smol")


@pytest.mark.parametrize("form", ["{root}/in/Smol.gguf", "in/Smol.gguf", "in/../in/Smol.gguf"])
async def test_a_path_may_be_whole_or_begin_in_the_folder(world, root, form):
    put(root, "in/Smol.gguf")
    assert (await world().register(path=form.format(root=root))).id == "smol"


async def test_a_path_through_a_linked_folder_is_the_same(world, root, tmp_path):
    put(root, "Smol.gguf")
    (tmp_path / "linked").symlink_to(root)
    here = world()
    here.folder.roots = [tmp_path / "linked"]
    assert (await here.register(path=str(tmp_path / "linked" / "Smol.gguf"))).id == "smol"


@pytest.mark.parametrize("path", ["../secret.gguf", "/etc/passwd", "absent.gguf", "", "notes.txt", "link.gguf", "a\0b"])
async def test_what_is_no_model_in_the_folder_is_refused_without_saying_what_it_is(world, root, path):
    put(root, "notes.txt", b"notes")
    put(root.parent, "secret.gguf")
    (root / "link.gguf").symlink_to(root.parent / "secret.gguf")
    with pytest.raises(InvalidRequest, match=r"no model there|nothing at that path") as refused:
        await world().register(path=path)
    assert str(root) not in str(refused.value)


async def test_a_model_of_a_provider_is_registered_by_the_name_that_it_has_there(world):
    listed = world(remotes=[ListedModels([LARGE], unlisted=[a_model("acme/any", upstream="any", provider="acme")])])
    assert (await listed.register(provider="acme", model="large", id_="big", default=True)).id == "big"
    assert (await listed.register(provider="acme", model="any")).id == "acme/any"
    assert await listed.ids() == ["acme/any", "big"]
    assert (await listed.catalog.resolve(None, Modality.TEXT)).upstream == "large"
    with pytest.raises(InvalidRequest, match="not configured, or does not offer"):
        await listed.register(provider="acme", model="none")


@pytest.mark.parametrize(
    "asked",
    [{}, {"path": "Smol.gguf", "provider": "acme"}, {"provider": "acme"}, {"path": "Smol.gguf", "modality": "image"}],
)
async def test_what_says_too_little_or_too_much_is_refused(world, root, asked):
    put(root, "Smol.gguf")
    with pytest.raises(InvalidRequest):
        await world().register(**asked)


@pytest.mark.parametrize("name", ["", "-x", "a b", "x/parameters", "discover", "x/load", "ä", "x" * 129])
async def test_a_name_that_could_not_be_asked_for_is_none(world, root, name):
    put(root, "Smol.gguf")
    with pytest.raises(InvalidRequest):
        await world().register(path="Smol.gguf", id_=name or "-")
    with pytest.raises(InvalidRequest):
        await world().change("smol", aliases=(name,))


async def test_no_two_registered_models_have_a_name_in_common(world, root):
    for name in ("a", "b"):
        put(root, f"{name}.gguf", a_gguf(general__name=name))
    here = world()
    await here.register(path="a.gguf", aliases=("best",))
    for said in ({"aliases": ("best",)}, {"aliases": ("a",)}):
        with pytest.raises(NameTaken):
            await here.change("b", **said)
    for name in ("best", "a"):
        with pytest.raises(NameTaken, match=name):
            await here.register(path="b.gguf", id_=name)
    with pytest.raises(NameTaken, match="registered already, as 'a'"):
        await here.register(path="a.gguf", id_="again")


async def test_what_was_said_wins_over_whatever_is_found_later(world, root):
    put(root, "b.gguf")
    here = world()
    await here.register(path="b.gguf", id_="smol", aliases=("smol-q8_0",))
    put(root, "Smol-Q8_0.gguf")
    await here.catalog.refresh()
    assert (await here.catalog.resolve("smol", Modality.TEXT)).path.endswith("b.gguf")
    assert (await here.catalog.resolve("smol-q8_0", Modality.TEXT)).path.endswith("b.gguf")
    assert (await here.catalog.get("smol-1")).path.endswith("Smol-Q8_0.gguf")  # found, under a name that is left


async def test_an_alias_that_was_said_wins_over_the_id_of_a_model_that_was_found(world, root):
    for name in ("a", "b"):
        put(root, f"{name}.gguf")
    here = world()
    await here.change("b", aliases=("a",))
    assert (await here.catalog.resolve("a", Modality.TEXT)).id == "b"


async def test_what_was_said_wins_over_the_settings(world, root):
    for name in ("a", "b"):
        put(root, f"{name}.gguf")
    here = world(settings={"aliases": {"best": "a"}, "defaults": {Modality.TEXT: "a"}})
    assert (await here.catalog.resolve("best", Modality.TEXT)).id == "a"
    await here.change("b", aliases=("best",), default=True)
    assert (await here.catalog.resolve("best", Modality.TEXT)).id == "b"
    assert (await here.catalog.resolve(None, Modality.TEXT)).id == "b"
    await here.change("b", default=False)
    assert (await here.catalog.resolve(None, Modality.TEXT)).id == "a"


async def test_changing_a_model_that_was_found_registers_it_and_keeps_what_is_not_said(world, root):
    put(root, "Smol-Q8_0.gguf")
    here = world()
    model = await here.change("smol-q8_0", pinned=True, name="The small one")
    assert (model.id, model.origin, model.pinned, model.name) == ("smol", "registered", True, "The small one")
    assert model.aliases == ("smol-q8_0",)
    assert here.loader.kept == {"smol"}
    model = await here.change("smol", name=None)
    assert (model.name, model.pinned) == ("Smol", True)


async def test_parameters_are_checked_as_those_of_a_request_and_kept(world, root):
    put(root, "Smol.gguf")
    here = world()
    assert (await here.change("smol", parameters={"temperature": 0.2, "stop": ["x"]})).presets == {
        "temperature": 0.2,
        "stop": ["x"],
    }
    for wrong in ({"temperature": 9}, {"temprature": 0.2}, {"top_k": 3}):
        with pytest.raises(InvalidRequest):
            await here.change("smol", parameters=wrong)
    assert (await here.catalog.get("smol")).presets["temperature"] == 0.2
    assert (await here.change("smol", parameters=None)).presets == {}


async def test_who_knows_an_old_revision_changes_nothing(world, root):
    put(root, "Smol.gguf")
    here = world()
    with pytest.raises(VersionConflict):
        await here.change("smol", revision=3, pinned=True)
    await here.change("smol", revision=0, pinned=True)
    known = (await here.catalog.registered()).of("smol").revision
    await here.change("smol", revision=known, name="x")
    with pytest.raises(VersionConflict):
        await here.change("smol", revision=known, name="y")
    assert (await here.catalog.get("smol")).name == "x"


async def test_a_registered_model_whose_files_are_gone_is_missing_until_it_is_removed(world, root):
    path = put(root, "Smol.gguf")
    here = world()
    await here.register(path="Smol.gguf", default=True)
    path.unlink()
    await here.catalog.refresh()
    model = await here.catalog.get("smol")
    assert (model.status, model.reason) == (ModelStatus.MISSING, "its files are gone")
    assert await here.remove("smol") == 0
    assert await here.ids() == []


async def test_removing_what_was_said_leaves_what_is_found(world, root):
    put(root, "Smol.gguf")
    here = world()
    await here.register(path="Smol.gguf", id_="mine")
    await here.remove("mine")
    assert await here.ids() == ["smol"]
    with pytest.raises(InvalidRequest, match="not registered"):
        await here.remove("smol")


async def test_only_who_may_administer_models_changes_any(world, root):
    put(root, "Smol.gguf")
    for attempt in (
        lambda it: it.register(None, NOBODY),
        lambda it: it.change("smol", None, NOBODY),
        lambda it: it.remove("smol", NOBODY, files=True),
        lambda it: it.discover(NOBODY),
        lambda it: it.load("smol", NOBODY),
        lambda it: it.unload("smol", NOBODY),
    ):
        with pytest.raises(InsufficientScope):
            await attempt(world().registrations)
    assert (root / "Smol.gguf").exists()


async def test_discovery_says_what_came_and_went(world, root):
    old = put(root, "Old.gguf")
    here = world()
    await here.ids()
    old.unlink()
    put(root, "New.gguf")
    found = await here.registrations.discover(LOCAL_OPERATOR)
    assert (found.models, found.added, found.removed) == (1, ("new",), ("old",))


async def test_deleting_a_model_deletes_its_files_and_no_others(world, root):
    shards = [put(root, f"in/Big-0000{n}-of-00002.gguf", a_gguf(split__count=("u16", 2))) for n in (1, 2)]
    others = [put(root, "in/Other.gguf"), put(root, "in/holiday.jpg", b"jpg")]
    here = world()
    assert await here.remove("big", files=True) == sum(len(a_gguf(split__count=("u16", 2))) for _ in shards)
    assert sorted(root.rglob("*.*")) == sorted(others)
    assert await here.ids() == ["other"]


async def test_a_folder_goes_with_its_model_but_not_with_what_else_is_in_it(world, root):
    put_safetensors(root, "a/One")
    put_safetensors(root, "a/Two", **{"thesis.docx": b"mine"})
    put_pipeline(root)
    here = world()
    for name in ("one", "two", "painter"):
        await here.remove(name, files=True)
    assert [path.relative_to(root).as_posix() for path in root.rglob("*")] == ["a", "a/Two", "a/Two/thesis.docx"]
    assert root.exists()


async def test_of_the_hubs_cache_a_blob_goes_with_its_last_name(world, root):
    repository = put_in_hub_cache(root)
    put_in_hub_cache(root, commit="b" * 40, **{"tokenizer.json": b'{"other": 1}'})
    here = world()
    first = next(it for it in await here.catalog.list() if it.path.endswith("a" * 40))
    assert await here.remove(first.id, files=True) == len(b"{}")  # all else is the other one's too
    (second,) = await here.catalog.list()
    assert second.status is ModelStatus.AVAILABLE
    await here.remove(second.id, files=True)
    assert not repository.exists()


async def test_a_link_to_another_model_goes_without_it(world, root):
    kept = put(root, "Kept.gguf")
    (root / "Link.gguf").symlink_to(kept)
    here = world()
    assert await here.remove("link", files=True) == 0
    assert (await here.ids(), kept.exists()) == (["kept"], True)


async def test_what_is_in_use_is_not_deleted(world, root):
    path = put(root, "Smol.gguf")
    here = world()
    here.loader.busy.add("smol")
    with pytest.raises(ModelBusy):
        await here.remove("smol", files=True)
    assert path.exists()
    here.loader.busy.clear()
    here.loader.loaded.add("smol")
    await here.remove("smol", files=True)
    assert here.loader.loaded == set()


async def test_pickles_are_allowed_for_just_the_files_that_were_there(world, root):
    put_safetensors(root, without=["model.safetensors"], **{"pytorch_model.bin": b"\x80\x04"})
    opener = EngineProfile(name="own", modality=Modality.TEXT, parameters=frozenset(), opens_pickles=True)
    here = world(engines=ENGINES | {"own": opener})
    model = await here.change("smollm2-135m", allow_pickle=True)
    assert (model.status, model.engine, model.allows_pickle) == (ModelStatus.AVAILABLE, "own", True)
    put(root, "SmolLM2-135M/pytorch_model.bin", b"\x80\x04 other code")
    await here.catalog.refresh()
    assert (await here.catalog.get("smollm2-135m")).status is ModelStatus.UNSUPPORTED


async def test_allowed_pickles_that_no_engine_opens_say_so(world, root):
    put_safetensors(root, without=["model.safetensors"], **{"pytorch_model.bin": b"\x80\x04"})
    model = await world().change("smollm2-135m", allow_pickle=True)
    assert (model.status, "no engine here opens them" in model.reason) == (ModelStatus.UNSUPPORTED, True)


async def test_a_model_is_loaded_and_unloaded_by_hand(world, root):
    put(root, "Smol.gguf")
    put(root, "half.gguf", a_gguf()[:-5])
    here = world(remotes=[ListedModels([LARGE])])
    assert (await here.registrations.load("smol", LOCAL_OPERATOR)).status is ModelStatus.LOADED
    assert (await here.registrations.unload("smol", LOCAL_OPERATOR)).status is ModelStatus.AVAILABLE
    with pytest.raises(InvalidRequest, match="runs at acme"):
        await here.registrations.load("acme/large", LOCAL_OPERATOR)
    with pytest.raises(ModelNotFound, match="incomplete"):
        await here.registrations.load("half", LOCAL_OPERATOR)


async def test_a_model_that_is_known_is_found_without_any_look_at_disk_or_database(world, root):
    put(root, "Smol.gguf")
    here = world()
    await here.catalog.refresh()
    here.catalog.sources, here.catalog.registry = [], None
    (root / "Smol.gguf").unlink()
    asked = here.catalog.resolve("smol", Modality.TEXT)
    with pytest.raises(StopIteration) as done:  # it is there without ever waiting
        asked.send(None)
    assert done.value.value.id == "smol"


async def test_what_one_gateway_is_told_another_one_of_the_database_knows(root, database):
    put(root, "Smol.gguf")
    databases = [PostgresDatabase(database) for _ in range(2)]
    one, other = (ModelWorld(root, it) for it in databases)
    assert await other.ids() == ["smol"]
    async with asyncio.timeout(20), being_kept_up(other.catalog, scan_every_s=0, shared=True, follow_s=0.01):
        await one.change("smol", pinned=True, default=True, parameters={"temperature": 0.1})
        while not (model := await other.catalog.get("smol")).pinned:
            await other.registry.revision()
    assert json.loads(json.dumps(model.presets)) == {"temperature": 0.1}
    assert other.catalog.is_default(model)
    assert other.loader.kept == {"smol"}
    for it in (*databases, one.files, other.files):
        await it.close()


async def test_models_that_come_to_the_folder_are_found_while_the_service_runs(world, root):
    here = world()
    await here.ids()
    async with asyncio.timeout(20), being_kept_up(here.catalog, scan_every_s=0.01, shared=False):
        put(root, "Smol.gguf")
        while await here.ids() != ["smol"]:
            await here.registry.revision()
