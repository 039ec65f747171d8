"""An adapter that is not ours: the example of docs/writing-an-adapter.md, installed and used as a stranger would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import openai
import pytest

from tests.integration.http.world import TLS
from tests.integration.service import Service

EXAMPLE = Path(__file__).parents[2] / "examples" / "pluggably-parrot"
SETTINGS = """
[[providers]]
name = "zoo"
kind = "{kind}"
base_url = "{base_url}"
models = ["polly"]
options = {{ silence_s = 5 }}
[[routes]]
name = "any"
models = ["zoo/polly"]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """The environment of a Python that has the package."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(EXAMPLE, folder / "source")  # building leaves files beside what is built
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*install, "--target", site, source], check=True)
    return {"PYTHONPATH": os.pathsep.join((str(site), os.environ.get("PYTHONPATH", "")))}


@pytest.fixture
def parrots():
    """The URL of a parrot server."""
    command = [sys.executable, EXAMPLE / "parrot_server.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.mark.parametrize("kind", ["parrot", "pluggably_parrot:ParrotProvider"])
def test_a_provider_of_somebody_elses_is_used_by_its_name(installed, parrots, tmp_path, kind):
    settings = SETTINGS.format(kind=kind, base_url=parrots)
    with (
        Service(tmp_path, tmp_path / "models", settings, installed) as service,
        openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", http_client=httpx.Client(verify=TLS)) as client,
    ):
        asked = {"messages": [{"role": "user", "content": "Polly wants a cracker"}]}
        answer = client.chat.completions.create(model="any", **asked)
        streamed = client.chat.completions.create(model="zoo/polly", max_tokens=2, stream=True, **asked)
        assert [it.choices[0].delta.content for it in streamed if it.choices[0].delta.content] == ["Polly ", "wants "]
        assert (answer.choices[0].message.content, answer.usage.total_tokens) == ("Polly wants a cracker", 8)
        with pytest.raises(openai.BadRequestError, match="temperature"):
            client.chat.completions.create(model="zoo/polly", temperature=1, **asked)


def test_its_own_tests_pass(installed, tmp_path):
    for name in ("test_parrot.py", "parrot_server.py", "pyproject.toml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    done = subprocess.run(  # noqa: PLW1510 - its words are wanted when it fails
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | installed,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_an_option_that_it_does_not_know_is_told_at_the_start(installed, tmp_path):
    settings = SETTINGS.format(kind="parrot", base_url="http://127.0.0.1:1").replace("silence_s", "silense_s")
    service = Service(tmp_path, tmp_path / "models", settings, installed)
    with pytest.raises(AssertionError, match="silense_s"):
        service.start()
