"""What the service is made of besides itself: the packages that `pluggably[all]` brings, and their licences.

They are followed through the packages' own metadata, from the dependencies in `pyproject.toml`, as they are installed
here: those for tests and documentation are not among them.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from attrs import field, frozen
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
OURSELVES: Final = "pluggably"

SPDX: Final[Mapping[str, str]] = {
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages call their licence that are older than SPDX expressions. "BSD" is three clauses in those of ours."""

SAID_ELSEWHERE: Final[Mapping[str, str]] = {"httpx-aiohttp": "BSD-3-Clause"}
"""Of packages whose metadata has the text of the licence and not its name: as their text reads."""

_NAME_LIMIT = 60


@frozen(kw_only=True)
class Package:
    """A package that the service needs."""

    name: str
    version: str
    licence: str
    """An SPDX expression; or what the package says, where that is none."""
    summary: str
    url: str | None
    needs: frozenset[str] = field(factory=frozenset)
    """The names of those that it needs itself."""


def third_party() -> list[Package]:
    """All packages that the service needs, whatever of it is used, by name."""
    found: dict[str, Package] = {}
    waiting = list(wanted())
    extras: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        more = set(requirement.extras) - extras.setdefault(name, set())
        if name == OURSELVES or (name in found and not more):
            continue
        extras[name] |= more
        known = distribution(name)
        needs = list(_needs(known, extras[name]))
        found[name] = _package(known, frozenset(canonicalize_name(it.name) for it in needs))
        waiting += needs
    return [found[name] for name in sorted(found)]


def wanted() -> Iterator[Requirement]:
    """What the project itself asks for, with all extras but that for testing adapters."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = {name: lines for name, lines in project["optional-dependencies"].items() if name != "testing"}
    for line in [*project["dependencies"], *(line for lines in optional.values() for line in lines)]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def _needs(known: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, known.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _package(known: Distribution, needs: frozenset[str]) -> Package:
    urls = [it.partition(", ") for it in known.metadata.get_all("Project-URL", [])]
    by_kind = {kind.lower(): url for kind, _, url in urls}
    homes = (by_kind.get(kind) for kind in ("homepage", "source", "source code", "repository", "github"))
    return Package(
        name=known.metadata["Name"],
        version=known.version,
        licence=_licence(known),
        summary=known.metadata.get("Summary") or "",
        url=next(filter(None, homes), known.metadata.get("Home-page")),
        needs=needs,
    )


def _licence(known: Distribution) -> str:
    if stated := known.metadata.get("License-Expression"):
        return stated
    name = canonicalize_name(known.metadata["Name"])
    text = (known.metadata.get("License") or "").strip()
    classified = [
        it.rpartition(" :: ")[2] for it in known.metadata.get_all("Classifier", []) if it.startswith("License :: ")
    ]
    said = text if 0 < len(text) < _NAME_LIMIT and "\n" not in text else " OR ".join(map(_spdx, classified))
    return SAID_ELSEWHERE.get(name) or _spdx(re.sub(r"\s+", " ", said)) or "unknown"


def _spdx(name: str) -> str:
    return SPDX.get(name, name)
