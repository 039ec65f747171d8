"""`pluggably keys`, and the key that every command shows: real processes, against the real service."""

import json
import re

import pytest

from tests.integration.service import Service

from .pluggably import pluggably

ASKING = '[access]\nmethods = ["api_key"]\n'


def secret_in(text: str) -> str:
    return re.search(r"plk_[\w-]{43}", text)[0]


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    """A service that asks for keys, and the secret of the first one, which was made before it ran."""
    folder = tmp_path_factory.mktemp("keys-cli")
    service = Service(folder, folder / "models", ASKING)
    first = pluggably("keys", "create", "first", "--admin", cwd=folder)
    assert first.returncode == 0, first.stderr
    with service:
        yield service, secret_in(first.stdout)


@pytest.fixture
def run(asking):
    service, secret = asking

    def run(*words, key=secret, said=""):
        return pluggably(*words, "--url", service.url, said=said, PLUGGABLY_API_KEY=key)

    return run


def test_the_first_key_opens_the_service_and_makes_others(run):
    made = run(
        "keys", "create", "ci", "--scope", "generate", "--model", "tiny-*", "--concurrent", "2", "--expires-in", "1d"
    )
    for said in ("ci", "generate", "tiny-*", "2 at once", "until 2", "cannot be shown again"):
        assert said in made.stdout
    mine = json.loads(run("keys", "create", "mine", "--json").stdout)
    assert mine["scopes"] == ["artifacts", "generate", "models:read", "sessions"]
    listed = run("keys", "list").stdout
    assert all(name in listed for name in ("first", "ci", "mine", "everything", "just now"))
    assert not re.search("plk_", listed)
    assert "tiny-shapes" in run("models", key=mine["secret"]).stdout


def test_a_key_that_is_revoked_is_shown_only_with_all(run):
    key = json.loads(run("keys", "create", "lost", "--json").stdout)
    assert "lost" in run("keys", "revoke", key["id"]).stdout
    assert "lost" not in run("keys").stdout
    assert "revoked 2" in run("keys", "list", "--all").stdout
    assert [
        it["revoked_at"] is not None for it in json.loads(run("keys", "--json").stdout) if it["name"] == "lost"
    ] == [True]
    missing = run("keys", "revoke", "key_none")
    assert (missing.returncode, missing.stderr) == (1, "pluggably: There is no key 'key_none'.\n")


def test_a_key_gets_a_new_secret_beside_the_old_one(run):
    key = json.loads(run("keys", "create", "turning", "--json").stdout)
    rotated = run("keys", "rotate", key["id"], "--overlap", "1h").stdout
    assert "good until" in rotated
    for secret in (key["secret"], secret_in(rotated)):
        assert run("models", key=secret).returncode == 0


@pytest.mark.parametrize(
    "words",
    [("models",), ("sessions", "list"), ("keys", "list"), ("storage",), ("audit", "reads"), ("chat",)],
    ids=" ".join,
)
def test_without_a_key_every_command_says_what_it_needs(run, words):
    refused = run(*words, key="", said="Hello\n")
    assert refused.returncode == 77
    assert "PLUGGABLY_API_KEY" in refused.stderr and refused.stderr.count("\n") == 1
    wrong = run(*words, key="plk_" + "x" * 43, said="Hello\n")
    assert wrong.returncode == 77
    assert "does not take the key" in wrong.stderr


@pytest.mark.parametrize(
    "words", [("keys", "list"), ("storage", "cleanup"), ("audit", "reads"), ("models", "load", "x")], ids=" ".join
)
def test_a_key_that_is_not_for_this_says_what_it_lacks(run, words):
    user = json.loads(run("keys", "create", "user", "--json").stdout)["secret"]
    refused = run(*words, key=user)
    assert refused.returncode == 77
    assert refused.stderr.startswith("pluggably: This needs the scope ")


@pytest.mark.parametrize("key", ["two words", "grün", "line\nbreak"])
def test_what_is_no_key_is_not_sent(run, key):
    refused = run("models", key=key)
    assert (refused.returncode, refused.stderr) == (1, "pluggably: What PLUGGABLY_API_KEY holds is no API key.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--scope", "all"), "must be one of 'generate'"),
        (("--expires-in", "soon"), "Give one like 90d"),
        (("--concurrent", "0"), "/limits/concurrent"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(run, words, told):
    refused = run("keys", "create", "x", *words)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_while_a_service_runs_its_database_is_not_opened(asking):
    service, _ = asking
    refused = pluggably("keys", "create", "second", cwd=service.folder)
    assert refused.returncode == 77
    assert "stop the service" in refused.stderr


def test_an_open_service_makes_keys_for_when_it_will_ask_for_them(tmp_path):
    with Service(tmp_path, tmp_path / "models"):
        made = pluggably("keys", "create", "early", cwd=tmp_path)
        assert made.returncode == 0, made.stderr
    again = pluggably("keys", "create", "later", cwd=tmp_path)
    assert 'methods = ["api_key"]' in again.stdout
    assert secret_in(again.stdout) != secret_in(made.stdout)


def test_several_services_on_one_database_may_run_while_the_first_key_is_made(tmp_path, database):
    settings = ASKING + '[sessions]\nstore = "postgres"\nurl_env = "DATABASE_URL"\n'
    environ = {"DATABASE_URL": database}
    with Service(tmp_path, tmp_path / "models", settings, environ) as service:
        made = pluggably("keys", "create", "first", "--admin", cwd=tmp_path, **environ)
        assert made.returncode == 0, made.stderr
        listed = pluggably("keys", "--url", service.url, PLUGGABLY_API_KEY=secret_in(made.stdout))
        assert "first" in listed.stdout
