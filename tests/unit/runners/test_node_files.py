"""Which files a node takes for a model, and where from."""

import shutil
from pathlib import Path

import pytest

from pluggably.adapters.artifacts.disk import DiskArtifactFiles
from pluggably.adapters.runners.ray_serve.node_files import FileSource, files_of, on_this_node, upload
from pluggably.domain.errors import ChecksumMismatch, NotFound


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "gateway" / "model"
    (folder / "weights").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "weights" / "a.safetensors").write_bytes(b"weights")
    (folder / ".hidden").write_text("no file of the model")
    return folder


async def test_a_folder_that_is_gone_is_fetched_whole_and_only_once(model, tmp_path):
    store = DiskArtifactFiles(tmp_path / "store")
    await store.open()
    files = files_of(model, tmp_path / "gateway-notes")
    await upload(model, files, store)
    shutil.rmtree(model)
    source = FileSource(folder=str(tmp_path / "node"), store=lambda: DiskArtifactFiles(tmp_path / "store"))
    fetched = await on_this_node(str(model), files, source)
    assert files_of(Path(fetched), tmp_path / "x") == files
    shutil.rmtree(tmp_path / "store")
    assert await on_this_node(str(model), files, source) == fetched


async def test_files_at_the_same_path_are_taken_if_they_are_the_same_and_no_others(model, tmp_path):
    files = files_of(model, tmp_path / "notes")
    source = FileSource(folder=str(tmp_path / "node"))
    assert await on_this_node(str(model), files, source) == str(model)
    (model / "weights" / "a.safetensors").write_bytes(b"WEIGHTS")
    with pytest.raises(NotFound, match=r"ray\.files_bucket"):
        await on_this_node(str(model), files, source)


async def test_a_store_that_has_something_else_is_not_believed(model, tmp_path):
    store = DiskArtifactFiles(tmp_path / "store")
    await store.open()
    files = files_of(model, tmp_path / "notes")
    await upload(model, files, store)
    for kept in (tmp_path / "store").rglob("*"):
        if kept.is_file() and kept.read_bytes() == b"weights":
            kept.chmod(0o600)
            kept.write_bytes(b"WEIGHTS")
    shutil.rmtree(model)
    source = FileSource(folder=str(tmp_path / "node"), store=lambda: DiskArtifactFiles(tmp_path / "store"))
    with pytest.raises(ChecksumMismatch):
        await on_this_node(str(model), files, source)


def test_a_gguf_in_parts_is_all_of_its_parts(tmp_path):
    names = ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]
    for name in [*names, "other.gguf"]:
        (tmp_path / name).write_text(name)
    assert [it.name for it in files_of(tmp_path / names[0], tmp_path / "notes")] == names
