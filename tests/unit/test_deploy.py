"""What `deploy/` says of the service is true of it: its settings are read, its ports and paths are there."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pluggably.entrypoints.http.permissions import PERMISSIONS, PUBLIC
from pluggably.entrypoints.settings import PREFIX, Settings, load_settings, require_loopback
from tests.kustomize import built

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "kubernetes" / "base"
RAY = ROOT / "deploy" / "kubernetes" / "ray"
UNITS = ROOT / "deploy" / "systemd"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGE = {
    "PLUGGABLY_DATA_DIR": "/data",
    "PLUGGABLY_SERVER__HOST": "0.0.0.0",
}
"""What the image sets."""

OBJECTS = [it for path in sorted(BASE.glob("*.yaml")) for it in yaml.safe_load_all(path.read_text())]


def the(kind: str) -> dict:
    (found,) = (it for it in OBJECTS if it["kind"] == kind)
    return found


def pods() -> Iterator[dict]:
    """What the pods of the Deployment and of the Job are."""
    for kind in ("Deployment", "Job"):
        yield the(kind)["spec"]["template"]["spec"]


@pytest.fixture
def cluster(tmp_path) -> Settings:
    """The settings of the pods, as the service reads them."""
    (tmp_path / "pluggably.toml").write_text(the("ConfigMap")["data"]["pluggably.toml"])
    return load_settings(tmp_path / "pluggably.toml", IMAGE)


def test_the_image_sets_what_these_tests_say():
    assert dict(re.findall(r"(PLUGGABLY_\w+)=(\S+)", DOCKERFILE)) == IMAGE


def test_the_settings_of_the_pods_are_accepted_and_may_be_served_to_strangers(cluster):
    require_loopback(cluster)
    assert (cluster.sessions.store, cluster.artifacts.store) == ("postgres", "s3")


def test_the_settings_of_a_home_server_are_accepted_and_ask_for_keys():
    settings = load_settings(UNITS / "pluggably.toml", {})
    assert (settings.access.methods, settings.server.host) == (("api_key",), "127.0.0.1")
    state = re.findall(r"StateDirectory=(\w+)", (UNITS / "pluggably.service").read_text())
    assert [f"/var/lib/{it}" for it in state] == [settings.data_dir]


def test_nothing_that_must_outlive_a_pod_is_kept_in_it(cluster):
    assert None not in (
        cluster.sessions.master_key_env,
        cluster.audit.signing_key_env,
        cluster.artifacts.url_keys_env,
    )


@pytest.mark.parametrize("service", ["gateway", "migrate", "gateways", "bucket", "replicas"])
def test_the_settings_of_compose_are_accepted_and_may_be_served_to_strangers(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {name: value for name, value in COMPOSE["services"][service]["environment"].items() if name[:10] == PREFIX}
    assert given
    require_loopback(load_settings(None, IMAGE | given))


@pytest.mark.parametrize("service", ["gateways", "replicas"])
def test_the_variables_that_settings_name_are_given_in_compose(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = COMPOSE["services"][service]["environment"]
    settings = load_settings(None, IMAGE | {name: it for name, it in given.items() if name.startswith(PREFIX)})
    sessions, artifacts = settings.sessions, settings.artifacts
    named = {sessions.url_env, sessions.master_key_env, settings.audit.signing_key_env, artifacts.url_keys_env}
    assert named | {artifacts.s3_access_key_env, artifacts.s3_secret_key_env} <= set(given)


def test_probes_and_paths_are_routes(cluster):
    public = {path for method, path in PUBLIC if method == "GET"}
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {it["path"] for it in probes.values()} <= public
    assert {it["port"] for it in probes.values()} == {"http"}
    served = public | set(PERMISSIONS)
    for rule in the("Ingress")["spec"]["rules"]:
        for it in rule["http"]["paths"]:
            assert any(path == it["path"] or path.startswith(f"{it['path']}/") for path in served)
    assert re.findall(r"127\.0\.0\.1:\d+(/[\w/]+)", DOCKERFILE) == ["/health/live"]
    caddy = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    assert set(re.findall(r"health_uri (\S+)", caddy)) <= public


def test_ports_are_the_one_that_it_listens_on(cluster):
    port = Settings().server.port
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    assert [it["containerPort"] for it in container["ports"]] == [cluster.server.port] == [port]
    assert set(re.findall(r"EXPOSE (\d+)|127\.0\.0\.1:(\d+)", DOCKERFILE)) == {(str(port), ""), ("", str(port))}
    assert COMPOSE["x-gateway"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    for proxy in ("nginx/pluggably.conf", "caddy/Caddyfile"):
        assert f"127.0.0.1:{port}" in (ROOT / "deploy" / proxy).read_text()


def test_pods_have_the_time_that_the_service_takes_to_end(cluster):
    grace = the("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    (container,) = the("Deployment")["spec"]["template"]["spec"]["containers"]
    (pause,) = re.findall(r"sleep\((\d+)\)", str(container["lifecycle"]["preStop"]))
    assert grace >= int(pause) + 2 * cluster.server.drain_s
    unit = (UNITS / "pluggably.service").read_text()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) >= 2 * Settings().server.drain_s
    assert int(COMPOSE["x-gateway"]["stop_grace_period"].removesuffix("s")) >= 2 * Settings().server.drain_s


def test_no_variable_of_the_cluster_is_taken_for_a_setting():
    assert [pod["enableServiceLinks"] for pod in pods()] == [False, False]


def test_containers_may_write_their_folders_only_and_are_nobody():
    for pod in pods():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {it["mountPath"] for it in container["volumeMounts"]} == {"/etc/pluggably", "/data", "/tmp"}
    assert (COMPOSE["x-gateway"]["read_only"], COMPOSE["x-gateway"]["cap_drop"]) == (True, ["ALL"])
    assert re.search(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)[1] == "10001"


def test_the_image_has_extras_that_there_are():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for wanted in (re.search(r"ARG EXTRAS=(\S+)", DOCKERFILE)[1], COMPOSE["x-ray"]["build"]["args"]["EXTRAS"]):
        assert set(wanted.split(",")) <= set(extras)


def test_what_the_image_copies_is_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [it for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for it in line.split()]
    assert copied
    assert {f"!{it}" for it in copied} <= set(ignored)
    assert all((ROOT / it).exists() for it in copied)


def test_the_manifests_are_put_together():
    made = built(BASE)
    assert sorted(it["kind"] for it in made) == sorted(it["kind"] for it in OBJECTS if it["kind"] != "Kustomization")
    assert "'image': 'pluggably'" not in str(made)


def test_gateways_are_nodes_of_the_ray_cluster_that_the_models_are_on(tmp_path):
    made = built(RAY)
    objects = {(it["kind"], it["metadata"]["name"]): it for it in made}
    assert {("RayCluster", "pluggably"), ("PersistentVolumeClaim", "pluggably-models")} <= set(objects)
    assert objects["HorizontalPodAutoscaler", "pluggably"]["spec"]["minReplicas"] == 3
    assert len(set(re.findall(r"'image': '(\S+?)'", str(made)))) == 1
    cluster, pod = objects["RayCluster", "pluggably"]["spec"], objects["Deployment", "pluggably"]["spec"]["template"]
    assert pod["spec"]["shareProcessNamespace"]
    (node,) = pod["spec"]["initContainers"]
    assert (node["restartPolicy"], "--address=pluggably-head-svc:6379" in node["command"]) == ("Always", True)
    (chosen,) = objects["NetworkPolicy", "pluggably-ray"]["spec"]["podSelector"]["matchLabels"].items()
    templates = [pod, cluster["headGroupSpec"]["template"], *(it["template"] for it in cluster["workerGroupSpecs"])]
    assert all(chosen in it["metadata"]["labels"].items() for it in templates)
    (gateway,) = pod["spec"]["containers"]
    (tmp_path / "pluggably.toml").write_text(objects["ConfigMap", "pluggably"]["data"]["pluggably.toml"])
    given = {it["name"]: it["value"] for it in gateway["env"]}
    settings = load_settings(tmp_path / "pluggably.toml", IMAGE | given)
    assert (settings.runners.host, settings.ray.files_bucket) == ("ray", "pluggably-models")
    written = {settings.data_dir, settings.ray.files_folder, *settings.models.folders}
    assert set(map(str, written)) <= {it["mountPath"] for it in gateway["volumeMounts"]}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_units_are_read_by_systemd(tmp_path):
    for path in (*UNITS.glob("*.service"), *UNITS.glob("*.timer")):  # with a program that is here
        text = path.read_text().replace("/opt/pluggably/.venv/bin/pluggably", "/bin/true")
        (tmp_path / path.name).write_text(text)
    units = sorted(str(it) for it in tmp_path.iterdir())
    seen = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, check=False, text=True)
    assert (seen.returncode, seen.stderr) == (0, "")
