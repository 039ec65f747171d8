"""Secrets stay where they are: seeded in everything that is one, and looked for in what the running service says.

The service runs as a process at DEBUG, on PostgreSQL, and is asked for all that can go well and wrong.
"""

import json
import os
from pathlib import Path

import httpx
import pytest
from attrs import define, field

from tests import pictures

from ..http.world import TLS, events_of
from ..service import START_LIMIT_S, Service
from .stub import stub

PYTHONPATH = os.pathsep.join((str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")))
PROVIDER_KEY = "sk-seeded-provider-key"
PASSWORD = "seeded-database-password"
PROMPT = "seeded prompt about a whale"
CLIENT_KEY = "seeded-client-credential"
KEYS = {
    "STUDIO_KEY": PROVIDER_KEY,
    "MASTER_KEY": "5eed0001" * 8,
    "SIGNING_KEY": "5eed0002" * 8,
    "URL_KEYS": "5eed0003" * 8,
}
OF_THE_OPERATOR = (*KEYS.values(), PASSWORD)

SETTINGS = """
[logging]
level = "debug"
format = "{form}"
[sessions]
store = "postgres"
url_env = "DB_URL"
master_key_env = "MASTER_KEY"
[audit]
signing_key_env = "SIGNING_KEY"
[artifacts]
url_keys_env = "URL_KEYS"
[routing]
attempts = 1
[[providers]]
name = "studio"
base_url = "{base_url}"
models = ["gpt-test"]
api_key_env = "STUDIO_KEY"
[[providers]]
name = "gone"
base_url = "http://127.0.0.1:1/v1"
models = ["gpt-test"]
api_key_env = "STUDIO_KEY"
[[providers]]
name = "careless"
kind = "tests.integration.faults.careless:Careless"
base_url = "{base_url}"
models = ["gpt-test"]
api_key_env = "STUDIO_KEY"
"""


@define
class Load:
    """A client that remembers what it was told, and which secrets it was given."""

    http: httpx.Client
    told: list[httpx.Response] = field(factory=list)
    given: set[str] = field(factory=set)

    def post(self, path: str, **body) -> httpx.Response:
        return self._noted(self.http.post(path, json=body, headers={"Authorization": f"Bearer {CLIENT_KEY}"}))

    def get(self, path: str, **query) -> httpx.Response:
        return self._noted(self.http.get(path, params=query or None))

    def _noted(self, answer: httpx.Response) -> httpx.Response:
        self.told.append(answer)
        return answer

    def ask(self, model: str = "studio/gpt-test", text: str = PROMPT, **more) -> httpx.Response:
        answer = self.post("/v1/generations/text", model=model, input=text, **more)
        if answer.is_success and '"state_token":"' in answer.text:
            self.given.add(answer.text.rpartition('"state_token":"')[2].partition('"')[0])
        return answer

    def failures(self) -> list[str]:
        """What it was told of what went wrong, whole answers and ends of streams."""
        streams = [it for it in self.told if it.headers.get("content-type", "").startswith("text/event-stream")]
        return [
            *(it.text for it in self.told if it.is_error),
            *(json.dumps(data) for it in streams for name, data in events_of(it.text) if name == "error"),
        ]


def everything(load: Load) -> str:
    """All that can go well and wrong; gives the session in which it did."""
    session = load.post("/v1/sessions", title="Trip").json()["id"]
    for stream in (False, True):
        load.ask(session_id=session, stream=stream)
        load.ask(stream=stream)
        for model in ("gone/gpt-test", "careless/gpt-test"):
            load.ask(model, stream=stream, session_id=session)
            load.ask(model, PROMPT + " later", stream=stream)
        for status in (400, 401, 403, 404, 413, 422, 429, 500, 503):
            load.ask(text=f"{PROMPT} fail {status}", stream=stream, session_id=session)
    failed = load.ask("careless/gpt-test", background=True).json()["id"]
    load.http.get(f"/v1/generations/{failed}", headers={"Prefer": "wait=10"})
    load.get(f"/v1/generations/{failed}")
    load.post("/v1/chat/completions", model="studio/gpt-test", messages=[{"role": "user", "content": {"x": PROMPT}}])
    load.post("/v1/chat/completions", model="careless/gpt-test", messages=[{"role": "user", "content": PROMPT}])
    load.post("/v1/generations/text", input=PROMPT, model="studio/gpt-test", parameters={"temperature": PROMPT})
    load.http.post(
        "/v1/generations/text", content=f'{{"input": "{PROMPT}', headers={"Content-Type": "application/json"}
    )
    other = load.post("/v1/sessions").json()["id"]
    for token in sorted(load.given)[:2]:
        load.ask(state_token=token)
        load.ask(state_token=token, session_id=other)
        load.ask(state_token=token + "x")
        load.ask("gone/gpt-test", state_token=token)
    upload = load.http.post("/v1/artifacts", content=pictures.encoded("PNG"), headers={"Content-Type": "image/png"})
    url = httpx.URL(upload.json()["url"])
    load.given.add(url.params["signature"])
    load.get(url.path, **url.params)
    load.get(url.path, **(dict(url.params) | {"expires": "1"}))
    load.post(
        "/v1/generations/image",
        model="studio/gpt-test",
        input=[{"role": "user", "content": [{"type": "image", "url": str(url)}]}],
    )
    with load.http.stream(
        "POST", "/v1/generations/text", json={"model": "studio/gpt-test", "input": PROMPT, "stream": True}
    ) as leaving:
        next(leaving.iter_raw())
    for path in (
        "/v1/audit/verify",
        "/v1/audit/export",
        "/v1/models",
        "/v1/audit/reads",
        f"/v1/sessions/{session}/verify",
    ):
        load.get(path)
    return session


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_log_no_error_and_no_event_has_a_secret(tmp_path, database, form):
    with stub() as upstream:
        upstream.said = f"{PROVIDER_KEY} is not allowed to say: {PROMPT}"
        settings = SETTINGS.format(form=form, base_url=upstream.base_url)
        environ = KEYS | {
            "DB_URL": with_password(database),
            "PYTHONPATH": PYTHONPATH,
        }
        with (
            Service(tmp_path, tmp_path / "models", settings, environ) as service,
            httpx.Client(base_url=service.url, verify=TLS, timeout=START_LIMIT_S) as http,
        ):
            load = Load(http)
            session = everything(load)
            events = load.get(f"/v1/sessions/{session}/events", limit="200").text
        log = service.log
    assert PROVIDER_KEY in "".join(upstream.heads), "the load did not get far enough"
    assert "careless with" in log, "the load did not get far enough"
    assert len(load.given) > 1
    secrets = (*OF_THE_OPERATOR, *load.given, CLIENT_KEY)
    assert found((*secrets, PROMPT), log) == []
    assert found((*secrets, PROMPT), *load.failures()) == []
    assert PROMPT in events  # which are for the owner
    assert found(secrets, events) == []
    assert found(OF_THE_OPERATOR, *(it.text for it in load.told)) == []


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path):
    settings = SETTINGS.format(form="json", base_url="http://127.0.0.1:1/v1")
    environ = KEYS | {
        "DB_URL": f"postgresql://owner:{PASSWORD}@127.0.0.1:1/sessions?connect_timeout=1",
        "PYTHONPATH": PYTHONPATH,
    }
    service = Service(tmp_path, tmp_path / "models", settings, environ)
    with pytest.raises(AssertionError, match="did not start"):
        service.start()
    assert service.log
    assert found(OF_THE_OPERATOR, service.log) == []


def test_a_password_in_a_base_url_is_refused_and_not_repeated(tmp_path):
    settings = SETTINGS.format(form="json", base_url=f"http://user:{PASSWORD}@127.0.0.1:1/v1")
    environ = KEYS | {"DB_URL": "postgresql://127.0.0.1:1/x", "PYTHONPATH": PYTHONPATH}
    service = Service(tmp_path, tmp_path / "models", settings, environ)
    with pytest.raises(AssertionError, match="did not start"):
        service.start()
    assert "api_key_env" in service.log
    assert found(OF_THE_OPERATOR, service.log) == []


def with_password(url: str) -> str:
    """The server trusts whoever reaches its socket, with a password too."""
    user, at, rest = url.partition("@")
    return f"{user.rstrip(':')}:{PASSWORD}{at}{rest}"


def found(secrets, *texts: str) -> list[str]:
    """Which of the secrets are in any of the texts, and around what."""
    return [
        f"{it}: {text[max(0, at - 80) : at + 80]}" for it in secrets for text in texts if (at := text.find(it)) >= 0
    ]
