"""Models from buckets and from folders of this machine."""

import pytest

from pluggably.adapters.downloads.folder import FolderSource
from pluggably.adapters.downloads.ranges import HttpFiles
from pluggably.adapters.downloads.s3 import S3Source, S3Store
from pluggably.adapters.egress.guard import EgressGuard
from pluggably.domain.errors import InvalidRequest, NotFound, SourceForbidden, SourceUnreachable
from tests.download_builders import noise
from tests.download_world import DownloadWorld

GGUF = b"GGUF" + noise(5, 12_000_000)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shelf" / "tiny"
    (folder / "vae").mkdir(parents=True)
    (folder / "tiny.gguf").write_bytes(GGUF)
    (folder / "vae/config.json").write_bytes(b"{}")
    (folder / "run.py").write_bytes(b"import os")
    return folder


@pytest.fixture
async def disk(tmp_path, folder):
    async with DownloadWorld(tmp_path / "models", [FolderSource([folder.parent])]).working() as world:
        yield world


@pytest.fixture
def bucket(s3, folder):
    bucket = s3.bucket()
    for path in folder.rglob("*"):
        if path.is_file():
            s3.upload(bucket, f"models/{path.relative_to(folder.parent)}", path)
    return bucket


@pytest.fixture
async def store(tmp_path, s3, bucket):
    files = HttpFiles(guard=EgressGuard(private_origins=[s3.endpoint]), silence_s=5)
    facts = {"access_key": bucket.access_key, "secret_key": bucket.secret_key, "region": bucket.region}
    source = S3Source(S3Store(endpoint=s3.endpoint, **facts), files)
    async with DownloadWorld(tmp_path / "models", [source]).working() as world:
        yield world
    await source.close()


async def test_a_folder_comes_with_its_folders(disk, folder):
    assert (await disk.fetched(f"file://{folder}")).status == "completed"
    assert disk.visible == ["tiny/tiny.gguf", "tiny/tiny.gguf.source.json", "tiny/vae/config.json"]
    assert (disk.models / "tiny/tiny.gguf").read_bytes() == GGUF


async def test_a_single_file_comes_too(disk, folder):
    assert (await disk.fetched(f"file://{folder}/tiny.gguf")).status == "completed"
    assert (disk.models / "tiny/tiny.gguf").read_bytes() == GGUF


async def test_nothing_is_taken_from_outside_the_folders_that_were_named(disk, folder, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_bytes(b"{}")
    (folder / "link.json").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    for path in (secret, folder / "../../secret.json", folder / "link.json", folder / "up/secret.json", "/etc/passwd"):
        with pytest.raises(SourceForbidden):
            await disk.create(f"file://{path}")
    job = await disk.fetched(f"file://{folder}")
    assert sorted(file.name for file in job.files) == ["tiny.gguf", "vae/config.json"]


@pytest.mark.parametrize("reference", ["", "tiny", "//host/tiny", "///a?b", "///a#b", "///a%00b"])
async def test_what_is_no_path_is_refused(disk, reference):
    with pytest.raises((InvalidRequest, NotFound)):
        await disk.create(f"file:{reference}")


async def test_a_file_that_is_not_there_is_not_found(disk, folder):
    with pytest.raises(NotFound):
        await disk.create(f"file://{folder}/none.gguf")


async def test_what_is_below_a_prefix_comes(store, bucket):
    assert (await store.fetched(f"s3://{bucket.name}/models/tiny/")).status == "completed"
    assert store.visible == ["tiny/tiny.gguf", "tiny/tiny.gguf.source.json", "tiny/vae/config.json"]
    assert (store.models / "tiny/tiny.gguf").read_bytes() == GGUF


async def test_an_object_comes(store, bucket):
    assert (await store.fetched(f"s3://{bucket.name}/models/tiny/tiny.gguf")).status == "completed"
    assert (store.models / "tiny/tiny.gguf").read_bytes() == GGUF


@pytest.mark.parametrize("path", ["models/none.gguf", "none/"])
async def test_an_object_that_is_not_there_is_not_found(store, bucket, path):
    with pytest.raises(NotFound):
        await store.create(f"s3://{bucket.name}/{path}")


@pytest.mark.parametrize("reference", ["", "//", "bucket/key", "//a/c"])
async def test_what_is_no_bucket_is_refused(store, reference):
    with pytest.raises(InvalidRequest):
        await store.create(f"s3:{reference}")


async def test_a_bucket_that_is_not_there_is_not_found(store):
    with pytest.raises(NotFound):
        await store.create("s3://no-such-bucket/a.gguf")


async def test_a_store_that_refuses_our_keys_or_is_not_there_is_told(tmp_path, s3, bucket):
    files = HttpFiles(guard=EgressGuard(private_origins=[s3.endpoint]), silence_s=5)
    keys = {"access_key": bucket.access_key, "secret_key": "wrong", "region": bucket.region}
    strange = S3Source(S3Store(endpoint=s3.endpoint, **keys), files)
    async with DownloadWorld(tmp_path / "models", [strange]).working() as world:
        with pytest.raises(SourceForbidden, match=r"downloads\.s3"):
            await world.create(f"s3://{bucket.name}/models/tiny/tiny.gguf")
    away = S3Source(S3Store(endpoint="http://127.0.0.1:1", **keys), files)
    async with DownloadWorld(tmp_path / "models", [away]).working() as world:
        with pytest.raises(SourceUnreachable):
            await world.create(f"s3://{bucket.name}/models/tiny/tiny.gguf")
    await strange.close()
    await away.close()
