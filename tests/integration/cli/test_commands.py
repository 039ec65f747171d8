"""The command line as people and scripts use it: real processes, against the real service and model."""

import json
import os
import subprocess
import sys

import httpx
import pytest

from tests.integration.service import Service
from tests.ports import free_port


def pluggably(*words, said="", cwd=None, **environ):
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pluggably.entrypoints.cli", *words],
        input=said,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environ},
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory, demo_gguf):
    with Service(tmp_path_factory.mktemp("cli"), demo_gguf.parent) as running:
        # `chat` sets no limit, and the model may ramble: more turns have to fit into its context.
        short = {"parameters": {"max_tokens": 40}}
        httpx.patch(f"{running.url}/v1/models/smollm2-135m-instruct", json=short).raise_for_status()
        yield running


@pytest.fixture(scope="module")
def talked(service):
    """The id of a session in which two questions were asked."""
    chat = pluggably("chat", "--url", service.url, "--model", "smollm2-135m-instruct", said="Hi\nThanks\n/quit\n")
    assert chat.returncode == 0, chat.stderr
    listed = pluggably("sessions", "list", "--json", "--url", service.url)
    return json.loads(listed.stdout)[0]["id"]


def test_help_names_every_command():
    told = pluggably("--help").stdout
    assert all(name in told for name in ("serve", "chat", "pull", "models", "sessions", "doctor"))


def test_an_unknown_command_and_a_wrong_option_are_refused_in_a_sentence(tmp_path):
    for words in (("bogus",), ("serve", "--port", "many")):
        refused = pluggably(*words, cwd=tmp_path)
        assert refused.returncode != 0
        assert "Traceback" not in refused.stdout + refused.stderr


def test_commands_find_the_service_where_the_settings_say(service, tmp_path):
    here = pluggably("models", "--json", cwd=service.folder)
    told = pluggably("models", "--json", cwd=tmp_path, PLUGGABLY_SERVER__PORT=str(service.port))
    assert "smollm2-135m-instruct" in [it["id"] for it in json.loads(here.stdout)]
    assert told.stdout == here.stdout


def test_ctrl_c_ends_a_command_without_a_word_while_it_is_still_being_loaded(tmp_path):
    loaded = tmp_path / "cyclopts.py"  # found before the real one
    loaded.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise AssertionError\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = pluggably("models", PYTHONPATH=path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_file_that_is_not_there_is_named(tmp_path):
    refused = pluggably("pull", f"file://{tmp_path}/nope.gguf", "--into", str(tmp_path / "models"), cwd=tmp_path)
    assert refused.returncode == 1
    assert f"{tmp_path}/nope.gguf" in refused.stderr


def test_chat_answers_each_line_of_a_pipe(service):
    chat = pluggably("chat", "--url", service.url, "--model", "smollm2-135m-instruct", said="Say hello.\n")
    assert chat.returncode == 0
    assert chat.stdout.strip()
    assert "tokens/s" not in chat.stdout


def test_chat_knows_its_own_commands(service):
    chat = pluggably("chat", "--url", service.url, said="/reset\n/nope\n/help\n/quit\nnever asked\n")
    assert "A new context" in chat.stdout
    assert "There is no /nope" in chat.stdout
    assert "never asked" not in chat.stdout


def test_sessions_shows_what_was_said(service, talked):
    shown = pluggably("sessions", "show", talked, "--url", service.url).stdout
    assert "user › Hi" in shown
    assert "user › Thanks" in shown


def test_sessions_shows_what_happened(service, talked):
    events = pluggably("sessions", "events", talked, "--url", service.url).stdout
    assert events.count("turn.requested") == events.count("turn.completed") == 2


def test_a_session_can_be_gone_on_with(service, talked):
    pluggably("chat", "--session", talked, "--url", service.url, "--model", "smollm2-135m-instruct", said="Bye\n")
    turns = json.loads(pluggably("sessions", "show", talked, "--json", "--url", service.url).stdout)["turns"]
    assert turns[2]["messages"][0]["content"] == [{"type": "text", "text": "Bye"}]


def test_models_lists_what_the_service_has(service):
    assert "smollm2-135m-instruct" in pluggably("models", "--url", service.url).stdout
    assert json.loads(pluggably("models", "--json", "--url", service.url).stdout)[0]["object"] == "model"


@pytest.mark.parametrize("words", [("models",), ("chat",), ("sessions", "list")], ids=" ".join)
def test_without_a_service_a_client_says_how_to_start_one(words):
    refused = pluggably(*words, "--url", f"http://127.0.0.1:{free_port()}")
    assert refused.returncode == 1
    assert "Start one with: pluggably serve" in refused.stderr


def test_what_the_service_refuses_is_said_in_its_words(service):
    refused = pluggably("sessions", "show", "ses_absent", "--url", service.url)
    assert (refused.returncode, refused.stderr) == (1, "pluggably: There is no session 'ses_absent'.\n")


@pytest.mark.parametrize("words", [("--workers", "0"), ("--port", "70000"), ("--port", "-1")], ids=" ".join)
def test_a_number_that_the_settings_would_refuse_is_refused_as_an_option_too(tmp_path, words):
    refused = pluggably("serve", *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert f'Invalid value "{words[1]}" for {words[0]}.' in refused.stderr


def test_a_port_that_is_taken_is_refused(service, tmp_path):
    refused = pluggably("serve", "--port", str(service.port), cwd=tmp_path)
    assert refused.returncode == 1
    assert "Address already in use" in refused.stderr


def test_a_second_service_on_the_same_data_is_refused(service):
    refused = pluggably("serve", "--port", "0", cwd=service.folder)
    assert refused.returncode == 1
    assert "Another process uses this data folder" in refused.stderr


def test_an_address_that_others_can_reach_is_refused_without_credentials(tmp_path):
    refused = pluggably("serve", "--host", "0.0.0.0", cwd=tmp_path)
    assert refused.returncode == 1
    assert "no credentials are configured" in refused.stderr


def test_wrong_settings_are_refused_by_name(tmp_path):
    refused = pluggably("serve", cwd=tmp_path, PLUGGABLY_SERVER__PROT="1")
    assert refused.returncode == 1
    assert "server.prot" in refused.stderr
    assert "port" in refused.stderr


def test_a_source_of_an_unknown_kind_is_refused_with_those_that_are_known(tmp_path):
    refused = pluggably("pull", "ftp://somewhere", cwd=tmp_path)
    assert refused.returncode == 1
    assert "package:" in refused.stderr


def test_doctor_says_what_is_missing_and_what_to_do(tmp_path):
    seen = pluggably("doctor", cwd=tmp_path)
    assert seen.returncode == 1
    assert "No models for text" in seen.stdout
    assert "pluggably pull" in seen.stdout


def test_doctor_says_which_library_of_the_system_an_engine_lacks(tmp_path):
    lacking = "libgomp.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({lacking!r})\n")  # found before the real one
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    seen = pluggably("doctor", cwd=tmp_path, PYTHONPATH=path)
    assert seen.returncode == 1
    assert f"It cannot be loaded: {lacking}. On Debian and Ubuntu: apt-get install libgomp1" in seen.stdout


def test_doctor_is_content_with_a_model(tmp_path, demo_gguf):
    seen = pluggably("doctor", cwd=tmp_path, PLUGGABLY_MODELS__FOLDERS=f'["{demo_gguf.parent}"]')
    assert seen.returncode == 0, seen.stdout


def test_doctor_names_a_key_that_is_not_set(tmp_path):
    (tmp_path / "pluggably.toml").write_text(
        '[[providers]]\nname = "x"\nbase_url = "http://127.0.0.1:1"\nmodels = ["a"]\napi_key_env = "X_KEY"\n'
    )
    assert "environment variable X_KEY" in pluggably("doctor", cwd=tmp_path).stdout
