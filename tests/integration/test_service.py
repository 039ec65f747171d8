"""The whole service with the real model, used as its users do."""

import json
from pathlib import Path

import httpx
import pytest
from openai import BadRequestError, OpenAI

from tests.integration.service import Service, a_long_answer


@pytest.fixture(scope="module")
def service(tmp_path_factory, demo_gguf):
    with Service(tmp_path_factory.mktemp("service"), demo_gguf.parent) as running:
        yield running


@pytest.fixture
def http(service):
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as client:
        yield client


MODEL = "smollm2-135m-instruct"
SHORT = {"max_tokens": 24, "temperature": 0}


@pytest.fixture
def openai(service):
    with OpenAI(base_url=f"{service.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def ask(http, text="Name three colours.", **body):
    return http.post("/generations/text", json={"model": MODEL, "input": text, **body})


def events(response):
    for block in response.read().decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            yield lines["event"], json.loads(lines["data"])


def test_a_real_model_answers(http):
    answer = ask(http, parameters=SHORT).json()
    assert answer["status"] == "completed"
    assert answer["output"][0]["text"].strip()
    assert 0 < answer["usage"]["output_tokens"] <= 24
    assert answer["usage"]["source"] == "runner"


def test_it_streams_tokens_as_they_are_generated(http):
    with http.stream(
        "POST",
        "/generations/text",
        json={"model": MODEL, "input": "Tell me about the sea.", "stream": True, "parameters": SHORT},
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        seen = list(events(response))
    kinds = [kind for kind, _ in seen]
    assert kinds[0] == "started"
    assert kinds[-1] == "completed"
    assert kinds.count("delta") > 5
    assert "".join(data["text"] for kind, data in seen if kind == "delta") == seen[-1][1]["output"][0]["text"]
    assert [data["sequence"] for _, data in seen] == sorted({data["sequence"] for _, data in seen})


def test_the_official_sdk_works_unchanged(openai):
    answer = openai.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Say hello."}], max_tokens=16
    )
    assert answer.choices[0].message.content
    assert answer.usage.prompt_tokens > 0


def test_the_official_sdk_streams(openai):
    chunks = list(
        openai.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Say hello."}],
            max_tokens=16,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert chunks[-1].usage.completion_tokens > 0


def test_the_official_sdk_lists_models_and_sees_errors(openai):
    assert MODEL in [model.id for model in openai.models.list()]
    with pytest.raises(BadRequestError) as refused:
        openai.chat.completions.create(model="smollm3", messages=[{"role": "user", "content": "x"}])
    assert refused.value.code == "model_not_found"


def test_a_session_reuses_what_the_engine_has_computed(http):
    session = http.post("/sessions", json={"title": "memory", "instructions": "You are a librarian. " * 30}).json()[
        "id"
    ]
    first = ask(http, "My name is Ada.", session_id=session, parameters={"max_tokens": 16}).json()
    second = ask(http, "What is my name?", session_id=session, parameters={"max_tokens": 16}).json()
    assert (first["session"]["turn"], second["session"]["turn"]) == (1, 2)
    assert second["usage"]["cached_input_tokens"] > first["usage"]["input_tokens"] * 0.8


def test_a_session_lives_its_life_over_http(http):
    session = http.post("/sessions", json={"title": "life"}).json()["id"]
    ask(http, session_id=session, parameters={"max_tokens": 4})
    assert len(http.get(f"/sessions/{session}/turns").json()["data"]) == 1
    assert http.post(f"/sessions/{session}/reset").status_code == 200
    assert http.post(f"/sessions/{session}/close").json()["status"] == "closed"
    refused = ask(http, session_id=session)
    assert (refused.status_code, refused.json()["code"]) == (409, "session_closed")
    kinds = [event["type"] for event in http.get(f"/sessions/{session}/events").json()["data"]]
    assert kinds == ["session.opened", "turn.requested", "turn.completed", "session.reset", "session.closed"]
    assert http.get(f"/sessions/{session}/verify").json()["valid"] is True
    assert http.get(f"/sessions/{session}", params={"version": 3}).json()["status"] == "open"
    assert session in [it["id"] for it in http.get("/sessions").json()["data"]]


def test_too_long_a_prompt_is_refused_with_both_numbers(http):
    refused = ask(http, "word " * 20_000)
    assert (refused.status_code, refused.json()["code"]) == (400, "context_length_exceeded")
    assert "8192" in refused.json()["detail"]


def test_everything_wrong_with_a_request_is_said_at_once(http):
    refused = http.post(
        "/generations/text", json={"inputs": "x", "parameters": {"temperature": 9, "max_tokens": "many"}, "stream": 1}
    )
    assert refused.headers["content-type"] == "application/problem+json"
    assert {"/inputs", "/input", "/parameters/temperature", "/parameters/max_tokens", "/stream"} == {
        error["pointer"] for error in refused.json()["errors"]
    }


def test_the_gateway_process_never_imports_an_engine(service, http):
    ask(http, parameters={"max_tokens": 2})
    loaded = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "libtorch" not in loaded
    assert "xllamacpp" not in loaded
    assert service.children


def test_no_model_process_listens_on_a_port(service, http):
    ask(http, parameters={"max_tokens": 2})
    for child in service.children:
        assert not [it for it in child.net_connections("tcp") if it.status == "LISTEN"]


def test_a_killed_model_process_fails_its_request_and_the_next_one_loads_it_again(service, http):
    with http.stream("POST", "/generations/text", json=a_long_answer(MODEL)) as response:
        lines = response.iter_lines()
        while not next(lines).startswith("event: delta"):
            pass
        for child in service.children:
            child.kill()
        rest = list(lines)
    assert "event: error" in rest
    assert any("runner_crashed" in line for line in rest)
    assert ask(http, parameters={"max_tokens": 4}).status_code == 200


def test_a_client_that_leaves_mid_stream_stops_the_model(service, http):
    session = http.post("/sessions", json={}).json()["id"]
    with http.stream("POST", "/generations/text", json=a_long_answer(MODEL, session_id=session)) as response:
        for line in response.iter_lines():
            if line.startswith("event: delta"):
                break
    # The next turn waits until the one before has ended: no sleep is needed to see what became of it.
    assert ask(http, session_id=session, parameters={"max_tokens": 2}).status_code == 200
    turn = http.get(f"/sessions/{session}/turns").json()["data"][0]
    assert (turn["status"], turn["error"]["code"]) == ("cancelled", "cancelled")


def test_kill_nine_amid_streaming_loses_no_acknowledged_event(tmp_path, demo_gguf):
    service = Service(tmp_path, demo_gguf.parent).start()
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as http:
        session = http.post("/sessions", json={"title": "durable"}).json()["id"]
        done = ask(http, session_id=session, parameters={"max_tokens": 8}).json()
        with http.stream("POST", "/generations/text", json=a_long_answer(MODEL, session_id=session)) as response:
            lines = response.iter_lines()  # kept: letting go of it would close the connection before the kill
            while not next(lines).startswith("event: delta"):
                pass
            service.kill()
    with service, httpx.Client(base_url=f"{service.url}/v1", timeout=60) as http:
        turns = http.get(f"/sessions/{session}/turns").json()["data"]
        assert turns[0]["output"] == done["output"]
        assert (turns[1]["status"], turns[1]["error"]["code"]) == ("failed", "interrupted")
        assert http.get(f"/sessions/{session}/verify").json()["valid"] is True
        again = ask(http, "And now?", session_id=session, parameters={"max_tokens": 4}).json()
        assert again["session"]["turn"] == 3


def test_it_stops_cleanly_and_takes_its_children_along(tmp_path, demo_gguf):
    with Service(tmp_path, demo_gguf.parent) as service:
        with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as http:
            ask(http, parameters={"max_tokens": 2})
        children = service.children
        assert service.stop() == 0
        assert not [child for child in children if child.is_running()]
    assert "Traceback" not in service.log
