"""Chat templates come with model files from strangers: they are rendered where they can do nothing but make text."""

import json
import shutil
from pathlib import Path

import pytest

from pluggably.adapters.runners.pool import LocalRunners
from pluggably.domain.errors import GatewayError, InvalidRequest
from tests.builders import a_model, a_request

from .conftest import events_of

ESCAPES = [
    "{{{{ cycler.__init__.__globals__.os.system('touch {mark}') }}}}",
    "{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{{{{ joiner.__init__.__globals__.os.mkdir('{mark}') }}}}",
    "{{{{ lipsum.__globals__['os'].popen('touch {mark}').read() }}}}",
]
BOMBS = ["{{{{ 1 / 0 }}}}", "{{% for i in range(10 ** 9) %}}{{{{ i }}}}{{% endfor %}}"]
HI = "Hi"


@pytest.fixture
async def runners():
    runners = LocalRunners(threads=1, cooldown_s=0)
    yield runners
    await runners.close()


@pytest.mark.parametrize("escape", ESCAPES + BOMBS, ids=["globals", "subclasses", "lipsum", "error", "endless"])
async def test_a_template_in_a_tokenizer_config_runs_in_the_sandbox(runners, demo_safetensors, tmp_path, escape):
    folder, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(demo_safetensors, folder, copy_function=_linked)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").unlink()
    config["chat_template"] = escape.format(mark=mark)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    model = a_model(path=str(folder), engine="transformers_text", context_length=256)
    with pytest.raises(InvalidRequest, match="template refuses"):
        await events_of(runners, a_request(HI, model=model, max_tokens=2))
    assert not mark.exists()


@pytest.mark.parametrize("escape", ESCAPES, ids=["globals", "subclasses", "lipsum"])
async def test_a_template_in_a_gguf_file_runs_no_code(runners, demo_gguf, tmp_path, escape):
    mark, file = tmp_path / "mark", tmp_path / "Strange.gguf"
    file.write_bytes(_with_template(demo_gguf.read_bytes(), escape.format(mark=mark)))
    model = a_model(path=str(file), engine="llama_cpp", context_length=256)
    try:
        await events_of(runners, a_request(HI, model=model, max_tokens=2))
    except GatewayError as error:  # it may be refused, or rendered to nothing
        assert str(tmp_path) not in str(error)
    assert not mark.exists()


def _linked(source: str, target: str) -> None:
    Path(target).symlink_to(source)


def _with_template(content: bytes, template: str) -> bytes:
    """The file with another template of the same length in place of its own."""
    key = b"tokenizer.chat_template"
    at = content.index(key) + len(key) + 4
    length = int.from_bytes(content[at : at + 8], "little")
    assert len(template) <= length
    return content[: at + 8] + template.encode().ljust(length) + content[at + 8 + length :]
