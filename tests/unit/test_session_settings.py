"""Where sessions are kept: a secret never stands in the settings, and is never repeated in a message."""

import pytest

from pluggably.entrypoints.composition.commands import migrate_sessions
from pluggably.entrypoints.composition.container import Container
from pluggably.entrypoints.settings import SettingsError, load_settings

SECRET = "postgresql://gateway:hunter2@db.example.org/sessions"


@pytest.fixture
def settings(tmp_path):
    def of(**sessions):
        lines = [f'data_dir = "{tmp_path}"', "[sessions]", *(f'{key} = "{value}"' for key, value in sessions.items())]
        (tmp_path / "pluggably.toml").write_text("\n".join(lines))
        return load_settings(tmp_path / "pluggably.toml", {})

    return of


@pytest.mark.parametrize("key", ["url_env", "master_key_env"])
def test_a_secret_where_a_name_belongs_is_refused_without_being_shown(settings, key):
    with pytest.raises(SettingsError, match=f"sessions.{key} must be the name") as refused:
        settings(**{key: SECRET})
    assert "hunter2" not in str(refused.value)


def test_a_signing_key_where_a_name_belongs_is_refused_without_being_shown(tmp_path):
    (tmp_path / "pluggably.toml").write_text('[audit]\nsigning_key_env = "0123abcd-hunter2"')
    with pytest.raises(SettingsError, match=r"audit\.signing_key_env must be the name") as refused:
        load_settings(tmp_path / "pluggably.toml", {})
    assert "hunter2" not in str(refused.value)


def test_a_signing_key_comes_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "pluggably.toml").write_text(f'data_dir = "{tmp_path}"\n[audit]\nsigning_key_env = "SIGNING"')
    settings = load_settings(tmp_path / "pluggably.toml", {})
    with pytest.raises(SettingsError, match="SIGNING, which is not set"):
        Container(settings=settings).signer()
    monkeypatch.setenv("SIGNING", "00" * 32)
    assert Container(settings=settings).signer().public_key().id == "139e3940e64b5491"
    assert not (tmp_path / "sessions").exists()


def test_postgres_needs_to_be_told_where_its_url_is(settings):
    with pytest.raises(SettingsError, match=r"needs sessions\.url_env"):
        settings(store="postgres")


@pytest.mark.parametrize("use", [lambda it: Container(settings=it).session_store(), migrate_sessions])
def test_a_variable_that_is_not_set_is_named(settings, use):
    with pytest.raises(SettingsError, match="NO_SUCH_URL"):
        use(settings(store="postgres", url_env="NO_SUCH_URL"))


def test_a_master_key_that_is_not_set_is_named(settings):
    with pytest.raises(SettingsError, match="NO_SUCH_KEY"):
        Container(settings=settings(master_key_env="NO_SUCH_KEY")).session_store()


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_other_stores_have_nothing_to_migrate(settings, store):
    assert migrate_sessions(settings(store=store)) == ()
