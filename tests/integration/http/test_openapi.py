"""The OpenAPI document: whole, right by the judgement of others, and kept by the service."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import attrs
import msgspec
import openapi_spec_validator
import pytest

from pluggably.adapters.system import now
from pluggably.application.access_ports import Identity
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.entrypoints.http.openapi.areas import AREAS
from pluggably.entrypoints.http.openapi.document import document, expect_described
from pluggably.entrypoints.http.permissions import PUBLIC
from pluggably.entrypoints.http.problems import STATUSES
from pluggably.entrypoints.structuring import structure

from .studio import Studio
from .world import World, client_of, serving

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
REDOCLY = "@redocly/cli@2.77.0"
OPERATIONS = [it for area in AREAS for it in area.operations]
DESCRIBED: dict[str, list[str]] = {}
for _it in OPERATIONS:
    DESCRIBED.setdefault(_it.template, []).append(_it.method)


@pytest.fixture(scope="module")
def written() -> dict:
    return msgspec.json.decode(msgspec.json.encode(document()))


# ── What is in it ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_route_that_is_not_described_is_not_served():
    with pytest.raises(RuntimeError, match=r"does not describe GET /v1/new.*add it"):
        expect_described({**DESCRIBED, "/v1/new": ["GET"]})


def test_what_is_described_and_not_served_is_found():
    with pytest.raises(RuntimeError, match="describes what there is not: GET /v1/me"):
        expect_described({template: methods for template, methods in DESCRIBED.items() if template != "/v1/me"})


def test_every_error_that_has_a_status_can_happen_somewhere(written):
    said = str(written["components"]["responses"])
    # of a job that was cancelled, in its events; and of methods that a route does not have
    assert {code for code in STATUSES if f"'{code}'" not in said} == {"cancelled", "method_not_allowed"}


def test_the_public_routes_need_nothing_and_all_others_one_of_two_credentials(written):
    for operation in OPERATIONS:
        security = written["paths"][operation.path][operation.method.lower()]["security"]
        if (operation.method, operation.template) in PUBLIC:
            assert security == []
        else:
            assert {name for it in security for name in it} == {"bearer", "apiKey"}, operation.id


def test_the_scopes_are_those_that_are_needed(written):
    assert written["paths"]["/v1/sessions/{session_id}"]["get"]["security"] == [
        {"bearer": ["sessions"]},
        {"apiKey": ["sessions"]},
        {"bearer": ["audit"]},
        {"apiKey": ["audit"]},
    ]


EXAMPLES = [
    pytest.param(it.body.json, example, id=f"{it.id}: {name}")
    for it in OPERATIONS
    if it.body and it.body.json
    for name, example in it.body.examples.items()
]


@pytest.mark.parametrize(("wanted", "example"), EXAMPLES)
def test_each_example_is_accepted(wanted, example):
    assert attrs.has(wanted)
    assert structure(example, wanted)


# ── How it is served ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_document_and_its_page_are_for_everybody(written):
    async with client_of(World(api_keys=True).app()) as http:
        answer = await http.get("/openapi.json")
        assert (answer.status_code, answer.json()) == (200, written)
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await http.get("/openapi.json", headers=known)).status_code == 304
        for path in ("/docs", "/docs/", "/docs/start.js"):
            assert (await http.get(path)).status_code == 200
        assert (await http.get("/docs/nothing.js")).status_code == 404
        assert (await http.post("/docs")).status_code == 401


async def test_the_page_loads_nothing_from_elsewhere():
    async with client_of(World().app()) as http:
        page = await http.get("/docs")
        loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)
        assert "/docs/swagger-ui-bundle.js" in loaded
        for url in loaded:
            assert url.startswith(("/", "data:"))
            if url.startswith("/"):
                assert (await http.get(url)).status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_viewer_is_the_version_that_it_is_said_to_be():
    viewer = files("pluggably.entrypoints.http.openapi") / "viewer"
    for digest, name in re.findall(r"sha256  (\S+) +([0-9a-f]{64})", (viewer / "README.md").read_text())[::-1]:
        assert sha256((viewer / digest).read_bytes()).hexdigest() == name
    assert len(re.findall(r"[0-9a-f]{64}", (viewer / "README.md").read_text())) == 2


# ── What others say of it ─────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_openapi(written):
    openapi_spec_validator.validate(written)


def test_redocly_finds_nothing(written, tmp_path):
    if not shutil.which("npx"):
        pytest.skip("node is not here, which the linter runs on")
    (tmp_path / "openapi.json").write_bytes(msgspec.json.encode(written))
    cache = {"npm_config_cache": str(ROOT / ".cache" / "npm"), "REDOCLY_TELEMETRY": "off", "CI": "true"}
    linted = subprocess.run(
        ["npx", "--yes", REDOCLY, "lint", "openapi.json", "--format=json"],
        cwd=tmp_path,
        env={**os.environ, **cache},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert msgspec.json.decode(linted.stdout)["problems"] == []


class Token:
    """Knows one token, of somebody who may do everything; unlike a key, it cannot be revoked by whoever tries all."""

    secret = "all-in-all"

    def knows(self, credential: str) -> bool:
        return credential == self.secret

    async def authenticate(self, credential: str) -> Identity:
        return Identity(principal=LOCAL_OPERATOR, until=now() + timedelta(hours=1))

    async def close(self) -> None:
        """Nothing is held open."""


@pytest.mark.parametrize(("shown", "examples"), [(True, 6), (False, 2)], ids=["with credentials", "without"])
async def test_schemathesis_finds_nothing(tmp_path, shown, examples):
    studio = Studio(tmp_path, api_keys=True, authenticators=[Token()])
    credentials = ["--header", f"Authorization: Bearer {Token.secret}"] if shown else []
    async with serving(studio.app(lifespan=studio.at_work)) as url:
        tried = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "run"),
            *(f"{url}/openapi.json", "--checks=all", "--phases=examples,coverage,fuzzing,stateful", "--seed=1"),
            *("--continue-on-failure", "--no-shrink", "--request-timeout=20", f"--max-examples={examples}"),
            *credentials,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await tried.communicate()
    await studio.kept.close()
    assert tried.returncode == 0, said.decode()
    assert int(re.search(r"(\d+) generated", said.decode())[1]) > 1_000
