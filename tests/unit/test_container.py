"""Adapters are chosen by configuration: the built-in ones by name, others by dotted path or entry point."""

import subprocess
import sys

import pytest
from dependency_injector import providers

from pluggably.adapters.memory.artifacts import MemoryArtifactIndex
from pluggably.adapters.memory.jobs import MemoryJobStore
from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.providers.openai.provider import OpenAIProvider
from pluggably.adapters.sessions.store import EventSessionStore
from pluggably.domain.retention import RetentionPolicy
from pluggably.entrypoints.composition.container import Container
from pluggably.entrypoints.settings import SettingsError, load_settings


class FolderlessStore(MemorySessionStore):
    """A store as a third party would write it: it is given the data folder."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder


class TraillessStore:
    """A store that keeps no audit trail."""

    def __init__(self, folder):
        self.folder = folder


class FetchingProvider:
    """A provider from outside whose answers name URLs."""

    takes_egress = True

    def __init__(self, *, name, base_url, api_key, models, egress):
        self.egress = egress


class EchoProvider:
    """A provider as a third party would write it."""

    def __init__(self, *, name, base_url, api_key, models, shout=False):
        self.name, self.api_key, self.shout = name, api_key, shout


PROVIDER = '[[providers]]\nname = "echo"\nbase_url = "http://127.0.0.1:1"\nmodels = ["a"]\n'


@pytest.fixture
def container(tmp_path):
    """Containers by their settings; artifacts and jobs are in memory, where nothing has to be closed."""

    def of(text="", **environ):
        file = tmp_path / "pluggably.toml"
        file.write_text(f'data_dir = "{tmp_path}"\n{text}')
        made = Container(settings=load_settings(file, environ))
        made.artifact_index.override(providers.Singleton(MemoryArtifactIndex))
        made.job_store.override(providers.Singleton(MemoryJobStore))
        return made

    return of


async def test_sqlite_is_the_default_store_and_memory_can_be_chosen(container):
    store = container().session_store()
    assert isinstance(store, EventSessionStore)
    await store.close()
    assert type(container('[sessions]\nstore = "memory"').session_store()) is MemorySessionStore


def test_a_store_from_outside_is_given_the_data_folder(container, tmp_path):
    store = container(f'[sessions]\nstore = "{__name__}:FolderlessStore"').session_store()
    assert store.folder == tmp_path


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", RetentionPolicy(audit_days=184, token_days=184)),
        ("audit_days = 0\ntoken_days = 7", RetentionPolicy(audit_days=0, token_days=7)),
        ("audit_days = -1", RetentionPolicy(audit_days=None)),
    ],
    ids=["default", "days", "for ever"],
)
def test_how_long_sessions_are_kept_is_a_setting(container, text, policy):
    assert container(f'[sessions]\nstore = "memory"\n{text}').retention().policy == policy


def test_a_store_without_an_audit_trail_is_refused_before_anything_is_read(container):
    with pytest.raises(SettingsError, match="no audit trail"):
        container(f'[sessions]\nstore = "{__name__}:TraillessStore"').reads()


def test_a_provider_of_a_known_kind_is_built(container):
    assert isinstance(container(PROVIDER).remotes()["echo"], OpenAIProvider)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("huggingface", "openai/gpt-oss-120b:fastest"),
        ("meshy", "meshy-7"),
        ("ollama", "llama3.2"),
        ("openai", "gpt-5"),
        ("stability", "core"),
        ("tripo", "v3.1-20260211"),
    ],
)
async def test_every_kind_of_provider_is_built_and_answers_for_its_models(container, kind, model):
    provider = container(f'{PROVIDER}kind = "{kind}"\n'.replace('["a"]', f'["{model}"]')).remotes()["echo"]
    assert provider.match(f"echo/{model}").upstream == model
    assert provider.match("echo/nothing") is None
    await provider.close()


def test_a_provider_from_outside_is_built_with_its_options(container):
    text = f'{PROVIDER}kind = "{__name__}:EchoProvider"\noptions = {{ shout = true }}\n'
    provider = container(text).remotes()["echo"]
    assert (provider.name, provider.shout) == ("echo", True)


def test_a_provider_that_says_so_is_given_the_guarded_way_to_urls(container):
    made = container(f'{PROVIDER}kind = "{__name__}:FetchingProvider"\n')
    assert made.remotes()["echo"].egress is made.egress()


def test_a_key_comes_from_the_environment_variable_that_is_named(container, monkeypatch):
    text = f'{PROVIDER}kind = "{__name__}:EchoProvider"\napi_key_env = "ECHO_KEY"\n'
    with pytest.raises(SettingsError, match="ECHO_KEY"):
        container(text).remotes()
    monkeypatch.setenv("ECHO_KEY", "secret")
    assert container(text).remotes()["echo"].api_key == "secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{PROVIDER}kind = "gemnii"', "providers.echo.kind = 'gemnii' is not known.*'openai'"),
        (f'{PROVIDER}kind = "no.such:Thing"', "cannot be imported"),
        (f'{PROVIDER}kind = "json:Thing"', "module json has no 'Thing'"),
        (f"{PROVIDER}options = {{ colour = 1 }}", "providers.echo.options does not suit 'openai'"),
    ],
    ids=["unknown kind", "no module", "no class", "unknown option"],
)
def test_what_cannot_be_had_is_refused_by_the_key_that_names_it(container, text, said):
    with pytest.raises(SettingsError, match=said):
        container(text).remotes()


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_each_kind_of_provider_is_made_by_its_name_alone(container, kind):
    made = container(f'{PROVIDER}kind = "{kind}"\noptions = {{ idle_timeout_s = 5 }}').remotes()["echo"]
    assert [model.id for model in await made.models()] == ["echo/a"]
    await made.close()


async def test_the_models_of_the_package_are_offered_after_the_operators_unless_they_are_left_out(container):
    offered = {model.id for model in await container().catalog_alone().list()}
    assert {"tiny-shapes", "tiny-solids", "tiny-solids-from-image"} == offered
    assert await container("[models]\nshipped = false").catalog_alone().list() == []


def test_an_engine_from_outside_joins_those_that_are_there(container):
    engines = container(f'[runners.engines]\nmine = "{__name__}:EchoProvider"').engines()
    assert engines["mine"].path == f"{__name__}:EchoProvider"
    assert "llama_cpp" in engines


def test_ray_is_imported_for_its_own_host_and_for_no_other():
    script = (
        "import sys\n"
        "from pluggably.entrypoints.composition.container import Container\n"
        "from pluggably.entrypoints.settings import load_settings\n"
        "print(type(Container(settings=load_settings(None, {HOST})).runners()).__name__, 'ray' in sys.modules)"
    )
    for host, told in (("process", "LocalRunners False"), ("ray", "RayRunners True")):
        chosen = script.replace("HOST", f"'PLUGGABLY_RUNNERS__HOST': '{host}'")
        done = subprocess.run([sys.executable, "-c", chosen], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[0] == told


def test_an_entry_point_brings_an_adapter_of_an_installed_distribution(container, tmp_path, monkeypatch):
    distribution = tmp_path / "echo_gateway-1.0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-gateway\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(f"[pluggably.adapters]\necho = {__name__}:EchoProvider\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert isinstance(container(f'{PROVIDER}kind = "echo"').remotes()["echo"], EchoProvider)
    with pytest.raises(SettingsError, match="'echo'"):  # and it is among what is offered to whoever mistypes it
        container(f'{PROVIDER}kind = "ecko"').remotes()
