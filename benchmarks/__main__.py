"""Measure everything, and write `docs/benchmarks.md`: `make bench`."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path("docs/benchmarks.md")

INTRODUCTION = """\
# Measured

Printed by `make bench`: every number here comes out of `benchmarks/`, none was typed in. Medians of several rounds,
where everything that is compared takes turns within one run. Absolute times are this machine's; compare the columns.

{machine}, {date}.
"""

PARTS = {
    "The service": ["benchmarks.service"],
    "Local text: llama.cpp": ["benchmarks.local_text"],
    "Local text: transformers": ["benchmarks.local_text_transformers"],
    "Models: discovery and catalog": ["benchmarks.catalog"],
    "Sessions": ["benchmarks.sessions"],
    "Turns of many sessions": ["benchmarks.turns"],
    "Reading long sessions and long lists": ["benchmarks.reading"],
    "The log of all events": ["benchmarks.audit"],
    "Pictures through the gateway": ["benchmarks.images"],
    "Artifacts": ["benchmarks.artifacts"],
    "Downloads": ["benchmarks.downloads"],
    "Clients that leave": ["benchmarks.disconnects"],
    "Overhead beside the peers": ["benchmarks.overhead"],
}


def machine() -> str:
    """The processor, its cores and the Python."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Run each part in a process of its own, so that none weighs on another."""
    sections = [INTRODUCTION.format(machine=machine(), date=f"{datetime.now(UTC):%d %B %Y}")]
    for title, module in PARTS.items():
        print(f"… {title}", file=sys.stderr)
        done = subprocess.run([sys.executable, "-m", *module], check=True, stdout=subprocess.PIPE, text=True)
        sections.append(f"## {title}\n\n{done.stdout.strip()}\n")
        print(done.stdout)
    PAGE.write_text("\n".join(sections))


if __name__ == "__main__":
    main()
