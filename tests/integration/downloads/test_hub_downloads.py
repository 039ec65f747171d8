"""Models of a hub: asked by the real client library, fetched by us."""

import pytest

from pluggably.adapters.downloads.hub import HubSource
from pluggably.adapters.downloads.ranges import HttpFiles
from pluggably.adapters.egress.guard import EgressGuard
from pluggably.domain.errors import InvalidRequest, NotFound, SourceForbidden, SourceUnreachable, UnsafeFile
from tests.download_builders import noise
from tests.download_world import DownloadWorld
from tests.hub_server import COMMIT, Repository, serving_hub

WEIGHTS = (100).to_bytes(8, "little") + b'{"a":' + noise(3, 300_000)
GGUF = b"GGUF" + noise(4, 200_000)
FILES = {
    ".gitattributes": b"*.safetensors filter=lfs",
    "README.md": b"# Tiny",
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "vae/a b.json": b'{"a": 1}',
    "pytorch_model.bin": b"\x80\x02",
    "modeling_tiny.py": b"import os",
}


@pytest.fixture
def world(tmp_path):
    def world(hub, token=None, private=None, **options) -> DownloadWorld:
        private = [hub.origin, hub.content.origin] if private is None else private
        files = HttpFiles(guard=EgressGuard(private_origins=private), silence_s=5)
        return DownloadWorld(tmp_path / "models", [HubSource(files, endpoint=hub.origin, token=token)], **options)

    return world


async def test_a_model_comes_without_what_can_run_code(world):
    async with serving_hub(tiny=Repository(FILES)) as hub, world(hub).working() as it:
        job = await it.fetched("hf:org/tiny")
        assert (job.status, job.revision, job.license) == ("completed", COMMIT, "apache-2.0")
        assert [name for name in it.visible if not name.endswith(".source.json")] == [
            *("tiny/README.md", "tiny/config.json", "tiny/model.safetensors", "tiny/vae/a b.json"),
        ]
        assert (it.models / "tiny/model.safetensors").read_bytes() == WEIGHTS
        assert (it.models / "tiny/vae/a b.json").read_bytes() == b'{"a": 1}'


async def test_files_are_fetched_by_the_commit_that_was_meant_when_it_was_asked_for(world):
    async with serving_hub(tiny=Repository(FILES)) as hub, world(hub).working() as it:
        await it.fetched("hf:org/tiny@main")
        fetched = [query for query in hub.queries if "/resolve/" in query]
        assert fetched
        assert all(f"/resolve/{COMMIT}/" in query for query in fetched)


async def test_a_revision_and_its_commit_are_the_same_download(world):
    async with serving_hub(tiny=Repository(FILES)) as hub, world(hub).working() as it:
        first, second = await it.create("hf:org/tiny@main"), await it.create(f"hf:org/tiny@{COMMIT}")
        assert (first.id == second.id) or first.key == second.key


async def test_the_token_goes_to_the_hub_alone(world):
    async with serving_hub(tiny=Repository(FILES, gated=True)) as hub, world(hub, token="hf_secret").working() as it:
        assert (await it.fetched("hf:org/tiny")).status == "completed"
        assert hub.content.asked
        assert not any("authorization" in asked.headers for asked in hub.content.asked)


@pytest.mark.parametrize("token", [None, "hf_of_somebody_who_did_not_accept"])
async def test_a_gated_model_tells_where_its_licence_is_and_where_to_put_a_token(world, token):
    async with serving_hub(tiny=Repository(FILES, gated=True)) as hub, world(hub, token=token).working() as it:
        with pytest.raises(SourceForbidden) as refused:
            await it.create("hf:org/tiny")
        assert f"{hub.origin}/org/tiny" in str(refused.value)
        assert "downloads.hub_token_env" in str(refused.value)


async def test_a_revision_that_is_not_there_is_told_with_those_that_are(world):
    repository = Repository(FILES, revisions=("main", COMMIT, "v1.0"))
    async with serving_hub(tiny=repository) as hub, world(hub).working() as it:
        with pytest.raises(NotFound, match=r"'v2'.*main, v1\.0"):
            await it.create("hf:org/tiny@v2")


async def test_a_model_that_is_not_there_or_private_is_not_found(world):
    async with serving_hub(secret=Repository(FILES, private=True)) as hub, world(hub).working() as it:
        for name in ("secret", "none"):
            with pytest.raises(NotFound, match="token"):
                await it.create(f"hf:org/{name}")


async def test_files_that_are_not_there_are_told_with_the_closest(world):
    async with serving_hub(tiny=Repository(FILES)) as hub, world(hub).working() as it:
        with pytest.raises(NotFound, match=r"model\.safetensors"):
            await it.create("hf:org/tiny", include=("modell.safetensors",))


async def test_of_several_gguf_models_one_has_to_be_chosen(world):
    names = ("Tiny-Q4_0.gguf", "Tiny-Q8_0.gguf", "Tiny-F16-00001-of-00002.gguf", "Tiny-F16-00002-of-00002.gguf")
    repository = Repository({**dict.fromkeys(names, GGUF), "mmproj-Tiny.gguf": GGUF})
    async with serving_hub(tiny=repository) as hub, world(hub).working() as it:
        with pytest.raises(InvalidRequest) as refused:
            await it.create("hf:org/tiny")
        assert refused.value.violations[0].allowed == ("*F16*", "*Q4_0*", "*Q8_0*")
        job = await it.fetched("hf:org/tiny", include=("*Q4_0*",))
        assert [file.name for file in job.files] == ["Tiny-Q4_0.gguf"]


async def test_a_model_of_pickles_only_is_refused_with_the_reason(world):
    pickled = Repository({"pytorch_model.bin": b"x", "config.json": b"{}"})
    async with serving_hub(tiny=pickled) as hub, world(hub).working() as it:
        with pytest.raises(UnsafeFile, match="runs code"):
            await it.create("hf:org/tiny")
        with pytest.raises(UnsafeFile):
            await it.create("hf:org/tiny", include=("*.bin",))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
async def test_content_that_is_not_what_the_hub_promised_is_not_kept(world, name):
    async with serving_hub(tiny=Repository(FILES)) as hub, world(hub).working() as it:
        job = await it.create("hf:org/tiny")
        hub.repositories["org/tiny"].files = FILES | {name: FILES[name][:-1] + b"?"}
        hub.content.files.clear()
        ended = await it.ended(job)
        assert (ended.status, ended.failure.code, it.visible) == ("failed", "checksum_mismatch", [])


async def test_a_hub_cannot_send_us_to_a_private_address(world):
    async with serving_hub(tiny=Repository(FILES)) as hub, world(hub, private=[hub.origin]).working() as it:
        job = await it.fetched("hf:org/tiny")
        assert (job.status, job.failure.code) == ("failed", "url_not_allowed")
        assert hub.content.asked == []


@pytest.mark.parametrize("reference", ["", "a/b/c", "org/../x", "/org/x", "org/x@", "org/x@../..", "org/x y", "@main"])
async def test_what_is_no_name_of_a_model_is_refused(world, reference):
    async with serving_hub() as hub, world(hub).working() as it:
        with pytest.raises(InvalidRequest):
            await it.create(f"hf:{reference}")
        assert hub.queries == []


async def test_a_hub_that_is_not_there_is_unreachable(world):
    async with serving_hub() as hub:
        pass
    async with world(hub).working() as it:
        with pytest.raises(SourceUnreachable):
            await it.create("hf:org/tiny")
