"""Programs of the tests that come from npm."""

import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest

INSTALLED = Path(__file__).resolve().parent.parent / ".cache" / "npm"


def installed(*files: Path) -> Path:
    """The folder of these files, of which one is a `package.json`, with all that it names.

    Installed when it is first needed, and anew once the files change. The folder gets its name in one step, so that
    test processes may race for it. Skips the test, with the reason, where there is no npm.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("this needs node and npm, which are not installed")
    folder = INSTALLED / sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    if not folder.exists():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=INSTALLED))
        for file in files:  # a module finds its packages beside itself
            shutil.copy(file, made)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        subprocess.run(command, cwd=made, check=True, stdout=subprocess.DEVNULL)
        try:
            made.rename(folder)
        except OSError:  # another one was faster
            shutil.rmtree(made)
    return folder
