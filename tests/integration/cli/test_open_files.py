"""How many files the service may open."""

import subprocess
import sys

import pytest

TOLD = (
    "import resource; from pluggably.entrypoints.cli.open_files import allow_open_files;"
    "allow_open_files(1000); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("ulimit -Hn 8000; ulimit -Sn 1024", "1512 8000"),
        ("ulimit -Hn 1200; ulimit -Sn 1024", "1200 1200"),
        ("ulimit -Hn 8000; ulimit -Sn 4000", "4000 8000"),
    ],
    ids=["too few", "no more are allowed", "enough"],
)
def test_there_is_room_for_every_connection(limits, told):
    command = ["bash", "-c", f'ulimit -Sn 1024; {limits}; exec "$@"', "-", sys.executable, "-c", TOLD]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == told
