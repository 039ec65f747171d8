"""What `deploy/` has for Prometheus and Grafana, with a real Prometheus that scrapes the real service."""

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.prometheus_server import Prometheus, promtool

from .service import Service

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PROVIDER = """
[[providers]]
name = "acme"
base_url = "http://127.0.0.1:9/v1"
models = ["acme-*"]
max_concurrent = 4
"""
TEXT = {"model": "smollm2-135m-instruct", "input": "Hello", "parameters": {"max_tokens": 2}}
_METRIC = re.compile(r"\b(?:pluggably|process)_\w+")
_PLACEHOLDERS = {"$__rate_interval": "1m", "$instance": ".+"}


def of_the_dashboard() -> list[str]:
    """The expressions of all panels, as Grafana sends them."""
    panels = json.loads((DEPLOY / "grafana" / "pluggably.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    for placeholder, value in _PLACEHOLDERS.items():
        found = [it.replace(placeholder, value) for it in found]
    assert found and not [it for it in found if "$" in it]
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory, demo_gguf):
    """A service that has done a bit of everything."""
    with Service(tmp_path_factory.mktemp("service"), demo_gguf.parent, PROVIDER) as service:
        with httpx.Client(base_url=f"{service.url}/v1", timeout=60) as client:
            session = client.post("/sessions", json={}).json()["id"]
            assert client.post("/generations/text", json=TEXT | {"session_id": session, "stream": True}).is_success
            assert client.post("/generations/text", json=TEXT | {"model": "nobody"}).status_code == 400
        yield service


@pytest.fixture(scope="module")
def prometheus(service, tmp_path_factory):
    """A Prometheus with the configuration of `deploy/`, at the service's port and in more of a hurry."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    for written, wanted in (
        ("127.0.0.1:8080", f"127.0.0.1:{service.port}"),
        ("alerts.yml", str(ALERTS)),
        ("_interval: 15s", "_interval: 200ms"),
    ):
        assert written in config
        config = config.replace(written, wanted)
    (folder / "prometheus.yml").write_text(config)
    with Prometheus(folder, folder / "prometheus.yml") as server:
        server.until(lambda it: [up for up in it.get("query", query="up")["result"] if up["value"][1] == "1"])
        yield server


def test_alerts_fire_when_they_should_and_not_when_they_should_not():
    tested = promtool("test", "rules", str(DEPLOY / "prometheus" / "alerts.test.yml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    names = re.findall(r"alert: (\w+)", ALERTS.read_text())
    cases = (DEPLOY / "prometheus" / "alerts.test.yml").read_text()
    assert [it for it in names if not re.search(rf"alertname: {it}\n\s+exp_alerts:", cases)] == []


def test_the_configuration_is_one():
    checked = promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_expression_is_one_and_every_metric_in_it_is_scraped(service, prometheus):
    prometheus.until(lambda it: all(rule["health"] == "ok" for rule in rules(it)))
    expressions = [*of_the_dashboard(), *(rule["query"] for rule in rules(prometheus))]
    assert len(rules(prometheus)) == ALERTS.read_text().count("alert: ")
    for expression in expressions:
        prometheus.get("query", query=expression)
    scraped = set(prometheus.get("label/__name__/values"))
    assert {name for it in expressions for name in _METRIC.findall(it)} - scraped == set()
    checked = promtool("check", "metrics", said=httpx.get(f"{service.url}/metrics").text)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def rules(prometheus) -> list[dict]:
    return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
