"""`pluggably models` and `pluggably storage`: real processes, against the real service."""

import json

import pytest

from tests.integration.cli.test_commands import pluggably
from tests.integration.service import Service
from tests.unit.catalog.gguf_file import a_gguf

SIZE = len(a_gguf())


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models-cli")
    (folder / "models").mkdir()
    limit = f"[storage]\nmax_bytes = {3 * SIZE}\n"
    environ = {"PLUGGABLY_MODELS__SHIPPED": "false", "PLUGGABLY_MODELS__SCAN_EVERY_S": "0"}
    with Service(folder, folder / "models", limit, environ) as running:
        yield running


@pytest.fixture
def run(service):
    """Run a command beside models `a`, `b`, `c` and a broken one, none of which anything was said of."""
    folder = service.folder / "models"
    for name in "abc":
        (folder / f"{name}.gguf").write_bytes(a_gguf())
    (folder / "page.gguf").write_bytes(b"<html>\x1b[31m")

    def run(*words, said=""):
        return pluggably(*words, "--url", service.url, said=said)

    run("models", "show", "not-known-yet")  # which is looked for
    yield run
    for name in "abc":
        run("models", "rm", name, "--keep-files")


def ids(run):
    return [it["id"] for it in json.loads(run("models", "--json").stdout)]


def test_models_are_listed_with_what_is_wrong_with_them(run):
    listed = run("models").stdout
    assert "corrupt: not a GGUF file" in listed
    assert run("models", "list").stdout == listed
    assert "page" not in run("models", "--status", "available").stdout
    assert [it["id"] for it in json.loads(run("models", "--find", "PAG", "--json").stdout)] == ["page"]


def test_show_tells_all_about_a_model(run, service):
    shown = run("models", "show", "a").stdout
    for said in ("a", "available", "llama", "2,048 tokens", "apache-2.0", "local, discovered"):
        assert said in shown
    assert json.loads(run("models", "show", "a", "--json").stdout)["path"].startswith(str(service.folder))
    missing = run("models", "show", "none")
    assert (missing.returncode, missing.stderr) == (1, "pluggably: There is no model 'none'.\n")


def test_pin_keeps_a_model_until_unpin(run):
    assert "a is pinned" in run("models", "pin", "a").stdout
    assert "(pinned)" in run("models").stdout
    assert "not pinned any more" in run("models", "unpin", "a").stdout
    assert "(pinned)" not in run("models").stdout


def test_rm_deletes_a_model_and_says_what_that_freed(run, service):
    gone = run("models", "rm", "b").stdout
    assert f"b is deleted. {SIZE} bytes are free again." in gone
    assert not (service.folder / "models" / "b.gguf").exists()
    assert "b" not in ids(run)


def test_storage_is_shown_and_cleaned_up_within_its_limits(run, service):
    assert "4 models" in run("storage").stdout
    run("models", "pin", "c")
    dry = run("storage", "cleanup", "--dry-run")
    assert dry.returncode == 0
    assert "this was a dry run" in dry.stdout
    assert "storage.max_bytes" in dry.stdout
    assert len(ids(run)) == 4
    done = json.loads(run("storage", "cleanup", "--json").stdout)
    assert sum(path.stat().st_size for path in (service.folder / "models").iterdir()) <= 3 * SIZE
    assert done["lacking_bytes"] == 0
    assert "c" in ids(run)
    assert "There is nothing to delete." in run("storage", "cleanup").stdout


def test_limits_that_pinned_models_exceed_are_told_by_the_exit_code(run, service):
    for name in "abc":
        (service.folder / "models" / f"{name}.gguf").write_bytes(a_gguf() + bytes(SIZE))
        run("models", "pin", name)
    told = run("storage", "cleanup")
    assert told.returncode == 1
    assert "all of them pinned or in use" in told.stdout
