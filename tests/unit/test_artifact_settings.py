"""Where artifacts are kept, and what is wrong with what says so."""

import pytest

from pluggably.adapters.artifacts.disk import DiskArtifactFiles
from pluggably.adapters.artifacts.s3 import S3ArtifactFiles
from pluggably.adapters.memory.artifacts import MemoryArtifactFiles
from pluggably.entrypoints.composition.container import Container
from pluggably.entrypoints.settings import SettingsError, load_settings

S3 = 'store = "s3"\ns3_endpoint = "https://s3.example.com"\ns3_bucket = "artifacts"\n'
KEY = "ab" * 32


class FolderFiles(MemoryArtifactFiles):
    """A store as a third party would write it: it is given the data folder."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder


@pytest.fixture
def settings(tmp_path):
    def of(text=""):
        (tmp_path / "pluggably.toml").write_text(f'data_dir = "{tmp_path}"\n[artifacts]\n{text}')
        return load_settings(tmp_path / "pluggably.toml", {})

    return of


@pytest.fixture
def container(settings):
    return lambda text="": Container(settings=settings(text))


def test_the_disk_is_the_default_store(container):
    assert isinstance(container().artifact_files(), DiskArtifactFiles)


def test_a_store_from_outside_is_given_the_data_folder(container, tmp_path):
    files = container(f'store = "{__name__}:FolderFiles"').artifact_files()
    assert files.folder == tmp_path


def test_s3_takes_its_credentials_from_the_environment(container, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID"):
        container(S3).artifact_files()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("MY_SECRET", "hunter2")
    assert isinstance(container(f'{S3}s3_secret_key_env = "MY_SECRET"').artifact_files(), S3ArtifactFiles)


def test_keys_of_urls_come_from_the_environment_or_a_file(container, tmp_path, monkeypatch):
    made = container().url_keys()
    assert (tmp_path / "artifacts" / "url.keys").exists()
    monkeypatch.setenv("URL_KEYS", f"{KEY} {made[0].secret.hex()}")
    assert [key.secret for key in container('url_keys_env = "URL_KEYS"').url_keys()] == [
        bytes.fromhex(KEY),
        made[0].secret,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('store = "s3"', "s3_endpoint and artifacts.s3_bucket"),
        ('store = "s4"', "artifacts.store = 's4' is not known.*'disk'.*'s3'"),
        ('public_url = "llm.example.com"', "artifacts.public_url"),
        ('public_url = "https://u:p@llm.example.com"', "artifacts.public_url"),
        ('public_url = "https://llm.example.com?x"', "artifacts.public_url"),
        ('s3_endpoint = "https://s3.example.com/bucket"', "artifacts.s3_endpoint"),
        ('fetch_private_origins = ["http://a", "b"]', "artifacts.fetch_private_origins"),
        ('fetch_private_origins = ["http://[::1"]', "artifacts.fetch_private_origins"),
        (f'url_keys_env = "{KEY[:8]}!"', "artifacts.url_keys_env must be the name"),
        ("url_ttl_s = 604801", "url_ttl_s"),
        ("keep_days = 0", "keep_days"),
    ],
)
def test_what_is_wrong_is_said_by_the_key_that_names_it(container, text, said):
    with pytest.raises(SettingsError, match=said):
        container(text).artifact_files()


def test_a_public_url_may_have_a_path(settings):
    assert settings('public_url = "https://example.com/llm/"').artifacts.public_url
