"""The documentation names what there is: links, folders, routes and settings."""

import re
from pathlib import Path
from typing import get_args, get_type_hints
from urllib.parse import unquote

import attrs
import pytest

from pluggably.entrypoints.http.openapi.document import document
from pluggably.entrypoints.http.permissions import PUBLIC
from pluggably.entrypoints.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
TREE = (ROOT / "docs" / "architecture.md").read_text()

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"^\s*(docker |systemctl |journalctl |ufw |certbot |kubectl (?!kustomize))", re.MULTILINE)
"""Commands that need an engine, a cluster, systemd, or a machine that may be changed."""
_ROUTE = re.compile(r"`(GET|POST|PATCH|PUT|DELETE) (/[\w/{}.-]*)")


def pages(*, but: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", [it for it in PAGES if it.name not in but], ids=lambda it: it.name)


def settings_of(kind: type) -> set[str]:
    """The keys of a table, or of each of the tables of a list."""
    kind = next(iter(get_args(kind)), kind)
    return {it.name for it in attrs.fields(kind)} if attrs.has(kind) else set()


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as the forge makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", it).lower()).replace(" ", "-")
        for it in headings
    }


@pages()
def test_every_link_between_pages_leads_somewhere(page):
    broken = []
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        path, _, anchor = unquote(link).partition("#")
        if path.startswith(("https:", "http:")):
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pages(but=("providers.md",))  # which names routes of others
def test_every_route_that_is_named_is_served(page):
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    served = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in described | PUBLIC}
    named = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in _ROUTE.findall(page.read_text())}
    assert named <= served


@pages()
def test_every_setting_that_is_named_exists(page):
    keys = {table: settings_of(kind) for table, kind in get_type_hints(Settings).items()}
    tables = [table for table, known in keys.items() if known]
    named = set(re.findall(rf"`({'|'.join(tables)})\.(\w+)`", page.read_text())) - {("jobs", "key")}  # a file's name
    assert {f"{table}.{key}" for table, key in named if key not in keys[table]} == set()


@pytest.mark.parametrize("page", [it for it in PAGES if it.name.startswith("deploy-")], ids=lambda it: it.name)
def test_commands_that_could_not_be_run_say_so_and_why(page):
    text = page.read_text()
    for block in re.finditer(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        before = text[: block.start()].rstrip().rpartition("\n\n")[2]
        said = before.startswith("*Not run here, because")
        assert said == bool(_ELSEWHERE.search(block[1])), block[1]


@pytest.mark.parametrize(
    "folder",
    [
        it
        for floor in ("domain", "application", "adapters", "entrypoints")
        for it in sorted((ROOT / "src" / floor).iterdir())
        if it.is_dir() and it.name != "__pycache__"
    ],
    ids=lambda it: it.name,
)
def test_the_tree_shows_every_folder(folder):
    assert re.search(rf"^ +{folder.name}/ ", TREE, re.MULTILINE)


def test_the_tree_shows_no_file_that_is_not_there():
    tree = re.search(r"^src/\n(.*?)^tests/", TREE, re.MULTILINE | re.DOTALL)[1]
    there = {it.name for it in (ROOT / "src").rglob("*.py")}
    assert set(re.findall(r"(?<![\w*])\w+\.py\b", tree)) <= there
    names = {it.name for it in (ROOT / "src").rglob("*") if it.is_dir()}
    assert set(re.findall(r"^ +(\w+)/ ", tree, re.MULTILINE)) <= names


def test_every_promise_names_a_test_that_is_there():
    page = (ROOT / "docs" / "security.md").read_text()
    held = re.findall(r"`([\w/]+\.py)`: ((?:`test_\w+`(?:, )?)+)", page)
    assert len(held) > 25
    for path, names in held:
        tests = (ROOT / "tests" / path).read_text()
        for name in re.findall(r"test_\w+", names):
            assert f"def {name}(" in tests, (path, name)
