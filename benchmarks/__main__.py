"""Measure everything, and write `docs/benchmarks.md`: `make bench`. `python -m benchmarks images audit` measures those
parts only, and leaves the others on the page as they are."""

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
where everything that is compared takes turns within one run. Absolute times are those of the machine that is named with
each part; compare the columns.
"""

PARTS = {
    "The service": ["benchmarks.service"],
    "Local text: llama.cpp": ["benchmarks.local_text"],
    "Local text: transformers": ["benchmarks.local_text_transformers"],
    "Local text: a Ray cluster": ["benchmarks.ray_host"],
    "Models: discovery and catalog": ["benchmarks.catalog"],
    "Sessions": ["benchmarks.sessions"],
    "Turns of many sessions": ["benchmarks.turns"],
    "Reading long sessions and long lists": ["benchmarks.reading"],
    "The log of all events": ["benchmarks.audit"],
    "Pictures through the gateway": ["benchmarks.images"],
    "Artifacts": ["benchmarks.artifacts"],
    "Downloads": ["benchmarks.downloads"],
    "Clients that leave": ["benchmarks.disconnects"],
    "Several gateway processes": ["benchmarks.replicas"],
    "Several databases": ["benchmarks.databases"],
    "What dies": ["benchmarks.outages"],
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


def main(wanted: list[str]) -> None:
    """Run each part in a process of its own, so that none weighs on another."""
    unknown = set(wanted) - {module.removeprefix("benchmarks.") for (module,) in PARTS.values()}
    if unknown:
        raise SystemExit(f"There is no part {', '.join(sorted(unknown))}.")
    kept = _sections(PAGE.read_text()) if wanted else {}
    for title, (module,) in PARTS.items():
        if wanted and module.removeprefix("benchmarks.") not in wanted:
            continue
        print(f"… {title}", file=sys.stderr)
        done = subprocess.run([sys.executable, "-m", module], check=True, stdout=subprocess.PIPE, text=True)
        kept[title] = f"{machine()}, {datetime.now(UTC):%d %B %Y}.\n\n{done.stdout.strip()}\n"
        print(done.stdout)
    sections = [f"## {title}\n\n{kept[title]}" for title in PARTS if title in kept]
    PAGE.write_text("\n".join([INTRODUCTION, *sections]))


def _sections(page: str) -> dict[str, str]:
    """What the page says of each part."""
    parts = [part.partition("\n\n") for part in page.split("\n## ")[1:]]
    return {title: f"{text.strip()}\n" for title, _, text in parts}


if __name__ == "__main__":
    main(sys.argv[1:])
