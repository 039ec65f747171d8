"""One gateway with another one for its provider of pictures: both as their users run them, over HTTP."""

import base64
import json

import httpx
import pytest

from .service import Service

PARAMETERS = {"seed": 7, "steps": 6, "format": "webp", "width": 64, "height": 64}
PROVIDER = """
[[providers]]
name = "studio"
base_url = "{url}/v1"
models = ["tiny-*"]
[providers.options]
image_models = ["tiny-shapes"]
extra_parameters = ["seed", "steps", "format", "preview_every"]
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """The gateway that draws."""
    folder = tmp_path_factory.mktemp("studio")
    with Service(folder, folder / "models") as service:
        yield service


@pytest.fixture(scope="module")
def front(studio, tmp_path_factory):
    """The gateway that asks it, and has no models of its own."""
    folder = tmp_path_factory.mktemp("front")
    settings = PROVIDER.format(url=studio.url)
    with Service(folder, folder / "models", settings, {"PLUGGABLY_MODELS__SHIPPED": "false"}) as service:
        yield service


def ask(service: Service, model: str, status: int = 200, **fields) -> dict:
    body = {"model": model, "input": "A red circle", **fields}
    answer = httpx.post(f"{service.url}/v1/generations/image", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_same_seed_gives_the_same_bytes_from_both(studio, front):
    wanted = {"parameters": PARAMETERS, "delivery": "inline"}
    (there,) = ask(studio, "tiny-shapes", **wanted)["output"]
    answer = ask(front, "studio/tiny-shapes", **wanted)
    (here,) = answer["output"]
    assert here["data"] == there["data"]
    assert {name: here[name] for name in ("media_type", "width", "height")} == {
        "media_type": "image/webp",
        "width": 64,
        "height": 64,
    }
    assert (answer["seed"], answer["model"]["provider"], answer["usage"]["source"]) == (7, "studio", "provider")


def test_a_picture_is_kept_by_the_gateway_that_asked(front):
    session = httpx.post(f"{front.url}/v1/sessions", json={}).json()["id"]
    (picture,) = ask(front, "studio/tiny-shapes", session_id=session, delivery="url")["output"]
    assert httpx.get(picture["artifact"]["url"]).headers["content-type"] == "image/png"
    kept = httpx.get(f"{front.url}/v1/artifacts/{picture['artifact']['id']}").json()
    assert (kept["session_id"], kept["origin"]) == (session, "generated")


def test_previews_come_through(front):
    body = {"model": "studio/tiny-shapes", "input": "A red circle", "stream": True}
    body["parameters"] = {"steps": 8, "preview_every": 1}
    events = []
    with httpx.stream("POST", f"{front.url}/v1/generations/image", json=body, timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
    previews = [base64.b64decode(event["preview"]["data"]) for event in events if event.get("preview")]
    assert len(previews) == 3
    assert all(preview.startswith(b"\x89PNG") for preview in previews)
    assert events[-1]["status"] == "completed"


def test_a_parameter_that_the_operator_did_not_name_is_refused_and_not_dropped(front):
    problem = ask(front, "studio/tiny-shapes", 400, parameters={"guidance_scale": 3.0})
    assert [error["pointer"] for error in problem["errors"]] == ["/parameters/guidance_scale"]


def test_what_the_other_one_refuses_is_said_with_where_it_is(front):
    problem = ask(front, "studio/tiny-shapes", 400, parameters={"width": 63, "height": 64})
    assert [error["pointer"] for error in problem["errors"]] == ["/parameters/width"]
