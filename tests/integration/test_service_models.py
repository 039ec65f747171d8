"""The real service with the real model: what operators say outlives it, and loading shows in every answer."""

import time

import httpx
import pytest

from tests.integration.service import Service

SMOL = "smollm2-135m-instruct"
SHORT = {"PLUGGABLY_RUNNERS__CONTEXT_LENGTH": "256", "PLUGGABLY_MODELS__SHIPPED": "false"}


@pytest.fixture
def service(tmp_path, demo_gguf):
    with Service(tmp_path, demo_gguf.parent, environ=SHORT) as running:
        yield running


def test_what_was_said_of_a_model_outlives_the_service(service, demo_gguf):
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as http:
        made = http.post("/models", json={"path": demo_gguf.name, "id": "mine", "aliases": ["best"], "pinned": True})
        assert made.status_code == 201
        answer = http.post("/generations/text", json={"model": "best", "input": "Hi", "parameters": {"max_tokens": 2}})
        assert answer.json()["model"]["id"] == "mine"
        assert http.get("/models/mine").json()["status"] == "loaded"
        used = http.get("/models/mine").json()["last_used_at"]
    service.stop()
    service.start()
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as http:
        (model,) = http.get("/models").json()["data"]
        assert (model["id"], model["pinned"], model["aliases"]) == ("mine", True, ["best"])
        assert (model["status"], model["last_used_at"]) == ("available", used)


def test_a_model_is_loaded_before_the_first_request_and_unloaded_by_hand(tmp_path, demo_gguf):
    preload = SHORT | {"PLUGGABLY_MODELS__PRELOAD": f'["{SMOL}"]'}
    with (
        Service(tmp_path, demo_gguf.parent, environ=preload) as running,
        httpx.Client(base_url=f"{running.url}/v1", timeout=60) as http,
    ):
        deadline = time.monotonic() + 60
        while http.get(f"/models/{SMOL}").json()["status"] != "loaded":
            assert time.monotonic() < deadline
        assert http.post(f"/models/{SMOL}/load").json()["status"] == "loaded"
        assert running.log.count("model.loaded") == 1
        assert http.post(f"/models/{SMOL}/unload").json()["status"] == "available"


def test_a_file_that_no_engine_can_load_cools_down_and_says_when_to_come_again(tmp_path, demo_gguf):
    folder = tmp_path / "models"
    folder.mkdir()
    content = demo_gguf.read_bytes()
    (folder / "Broken.gguf").write_bytes(content.replace(b"llama.block_count", b"llama.block_xount"))
    (tmp_path / "data").mkdir()
    with (
        Service(tmp_path / "data", folder, environ=SHORT) as running,
        httpx.Client(base_url=f"{running.url}/v1", timeout=60) as http,
    ):
        assert http.get("/models/broken").json()["status"] == "available"
        asked = {"model": "broken", "input": "Hi"}
        first, second = (http.post("/generations/text", json=asked) for _ in range(2))
    assert (first.status_code, first.json()["code"]) == (502, "runner_crashed")
    assert (second.status_code, second.json()["code"]) == (503, "model_loading")
    assert 1 <= int(second.headers["retry-after"]) <= 10
