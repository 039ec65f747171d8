"""Settings: read, laid over by the environment, and refused by name when wrong."""

from pathlib import Path

import pytest

from pluggably.entrypoints.settings import SettingsError, load_settings, own_url, require_loopback, with_address
from tools.example_settings import example


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_a_file_everything_has_a_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.model_folders == (tmp_path / "data" / "models",)


def test_the_environment_stands_above_the_file(tmp_path):
    file = write(tmp_path / "p.toml", "[server]\nport = 1234\njson_depth = 16\n")
    settings = load_settings(file, {"PLUGGABLY_SERVER__PORT": "4321", "HOME": "/root"})
    assert settings.server.port == 4321
    assert settings.server.json_depth == 16


def test_an_environment_variable_is_a_toml_value_or_a_plain_string(tmp_path):
    environ = {
        "PLUGGABLY_LOGGING__LEVEL": "debug",
        "PLUGGABLY_SERVER__ACCESS_LOG": "false",
        "PLUGGABLY_MODELS__FOLDERS": f'["{tmp_path}"]',
    }
    settings = load_settings(write(tmp_path / "p.toml", ""), environ)
    assert settings.logging.level == "debug"
    assert settings.server.access_log is False
    assert settings.model_folders == (tmp_path,)


def test_everything_wrong_is_said_at_once_and_by_name(tmp_path):
    file = write(tmp_path / "p.toml", '[server]\nport = 70000\nhots = "x"\n[logging]\nlevel = "loud"\n')
    with pytest.raises(SettingsError) as refused:
        load_settings(file, {"PLUGGABLY_RUNNERS__PARALLEL": "many"})
    said = str(refused.value)
    for name in ("server.port", "server.hots", "logging.level", "runners.parallel"):
        assert name in said
    assert "warning" in said  # an allowed level


@pytest.mark.parametrize(
    ("text", "said"), [("[server", "not TOML"), ("data_dir = 3", "data_dir")], ids=["syntax", "type"]
)
def test_a_broken_file_is_refused(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        load_settings(write(tmp_path / "p.toml", text), {})


def test_settings_of_a_cluster_that_do_not_go_together_are_refused():
    for given, said in (({"MIN_REPLICAS": "2"}, "max_replicas"), ({"FILES_BUCKET": "models"}, "s3_endpoint")):
        with pytest.raises(SettingsError, match=said):
            load_settings(None, {f"PLUGGABLY_RAY__{key}": value for key, value in given.items()})


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(SettingsError, match="no settings file"):
        load_settings(tmp_path / "absent.toml", {})


PROVIDER = '[[providers]]\nname = "{}"\nbase_url = "http://127.0.0.1:1"\nmodels = ["a"]\n'


@pytest.mark.parametrize("names", [("local",), ("a", "a")])
def test_providers_have_names_of_their_own(tmp_path, names):
    file = write(tmp_path / "p.toml", "".join(PROVIDER.format(name) for name in names))
    with pytest.raises(SettingsError, match="names of their own"):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:81"),
        ("0.0.0.0", "http://127.0.0.1:81"),
        ("::", "http://[::1]:81"),
        ("fd00::5", "http://[fd00::5]:81"),
        ("gateway", "http://gateway:81"),
    ],
)
def test_a_client_on_this_machine_knows_the_way_to_what_listens_everywhere(tmp_path, host, url):
    assert own_url(with_address(load_settings(write(tmp_path / "p.toml", ""), {}), host, 81)) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_served_without_credentials(tmp_path, host):
    require_loopback(with_address(load_settings(write(tmp_path / "p.toml", ""), {}), host, None))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com"])
def test_other_addresses_are_refused_without_credentials_and_the_reason_is_said(tmp_path, host):
    with pytest.raises(SettingsError, match="no credentials are configured"):
        require_loopback(with_address(load_settings(write(tmp_path / "p.toml", ""), {}), host, None))


def test_the_example_file_is_what_the_declarations_say_and_loads(tmp_path):
    file = Path(__file__).parents[2] / "pluggably.example.toml"
    assert file.read_text() == example(), "run: python -m tools.example_settings > pluggably.example.toml"
    assert load_settings(file, {}) == load_settings(write(tmp_path / "empty.toml", ""), {})


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ('[[routes]]\nname = "a"\nmodels = []', "needs models"),
        ('[[routes]]\nname = "a"\nmodels = [["x"], []]', "needs models"),
        ('[[routes]]\nname = "a"\nmodels = ["a"]', "is a route itself"),
        ('[[routes]]\nname = "a"\nmodels = ["x"]\nweights = {y = 1}', "none of its models"),
        ('[[routes]]\nname = "a"\nmodels = ["x"]\nweights = {x = 0}', "must be above 0"),
        ('[[routes]]\nname = "a"\nmodels = ["x"]\n[[routes]]\nname = "a"\nmodels = ["y"]', "names of their own"),
        ('[[routes]]\nname = "a"\nmodels = ["x"]\nhedge_after_ms = 9', "needs two models"),
        ('routing.attempts = 1\n[[routes]]\nname = "a"\nmodels = ["x", "y"]\nhedge_after_ms = 9', "attempts above 1"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(tmp_path, routes, said):
    with pytest.raises(SettingsError, match=said):
        load_settings(write(tmp_path / "p.toml", routes), {})


@pytest.mark.parametrize("origin", ["*", "null", "studio.example", "https://studio.example/", "https://a.example/x"])
def test_a_site_whose_pages_may_call_is_named_as_browsers_name_it(tmp_path, origin):
    file = write(tmp_path / "p.toml", f'[server]\ncors_origins = ["{origin}"]\n')
    with pytest.raises(SettingsError, match=r"server\.cors_origins"):
        load_settings(file, {})
