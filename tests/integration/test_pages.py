"""Every block of the README and the quick start is carried out, in its order, as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.service import Service

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "quick-start.md"]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
READERS_ADDRESS = "http://127.0.0.1:8080"
PROGRAMS = Path(sys.executable).parent
KEYS = {"OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none"}
NEXT = "--- the next block ---"

AS_A_READER = f"""
set -euo pipefail
make() {{ command make --dry-run --directory "{ROOT}" "$@"; }}  # of itself it would run this test
curl() {{ command curl --fail-with-body --max-time 120 "$@"; }}
"""
CARRIED_OUT = {"sh": "{}", "python": f"{sys.executable} -W error - <<'THE END'\n{{}}\nTHE END", "toml": "echo settings"}


def blocks(page: Path) -> list[tuple[str, str]]:
    return [
        (kind, re.sub(rf"^{margin}", "", text, flags=re.MULTILINE))
        for margin, kind, text in BLOCK.findall(page.read_text())
    ]


@pytest.fixture(scope="module")
def service(tmp_path_factory, demo_gguf):
    """A service with the settings of both pages, in a folder like that of a reader who has said `make run`."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(PROGRAMS)
    settings = "\n".join(text for page in PAGES for kind, text in blocks(page) if kind == "toml")
    with Service(folder, demo_gguf.parent, settings, KEYS) as running:
        short = {"parameters": {"max_tokens": 40}}  # a reader has the time to let the model ramble
        httpx.patch(f"{running.url}/v1/models/smollm2-135m-instruct", json=short).raise_for_status()
        yield running


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_every_block_of_a_page_does_what_it_says(service, page):
    found = blocks(page)
    typed = [CARRIED_OUT[kind].format(text) for kind, text in found]  # a KeyError is a block that nobody tries
    script = f"\necho; echo '{NEXT}'\n".join([AS_A_READER, *typed])
    done = subprocess.run(
        ["bash", "-c", script.replace(READERS_ADDRESS, service.url)],
        cwd=service.folder,
        env={**os.environ, **KEYS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for (_, text), said in zip(found, done.stdout.split(NEXT)[1:], strict=True):
        assert said.strip(), f"This says nothing:\n{text}"
        assert '"status":"failed"' not in said and "event: error" not in said, f"{text}\n{said}"
