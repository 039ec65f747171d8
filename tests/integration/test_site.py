"""The documentation as pages: built strictly, whole, and readable without a network."""

import re
import subprocess
import tomllib
from html.parser import HTMLParser

import pytest

from tools.site import Source, build

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
NO_PAGE = {"canonical", "prev", "next", "alternate"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    build(folder)
    return folder / "site"


class Loads(HTMLParser):
    """What a page loads as it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in LOADED and given.get("rel") not in NO_PAGE and (url := given.get(LOADED[tag])):
            self.found.append(url)


def test_no_page_loads_anything_from_elsewhere_or_that_is_not_there(pages):
    found = sorted(pages.rglob("*.html"))
    assert len(found) > 20
    for page in found:
        loads = Loads()
        loads.feed(page.read_text())
        assert loads.found
        for url in loads.found:
            assert not re.match(r"\w+:|//", url), (page, url)
            if page.name != "404.html":  # shown under any path
                assert (page.parent / url.partition("?")[0]).exists(), (page, url)
    styles = "".join(it.read_text() for it in pages.rglob("*.css"))
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles)


def test_every_page_is_in_the_navigation_and_shown(pages):
    source = Source()
    written = {str(it.relative_to(source.docs)) for it in source.docs.rglob("*.md")} | {"index.md", "changelog.md"}
    navigation = tomllib.loads((source.root / "zensical.toml").read_text())["project"]["nav"]
    assert set(named(navigation)) == written
    for page in written:
        shown = page.replace("README.md", "index.md").removesuffix(".md") + ".html"
        assert (pages / shown).exists(), page


def named(part) -> list[str]:
    if isinstance(part, str):
        return [part]
    return [name for it in (part if isinstance(part, list) else part.values()) for name in named(it)]


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path):
    (docs := tmp_path / "docs").mkdir()
    (docs / "page.md").write_text("# Page\n\n[Nowhere](other.md), [no heading](page.md#nothing).\n")
    with pytest.raises(subprocess.CalledProcessError):
        build(tmp_path / "built", Source(tmp_path))


def test_links_lead_from_where_a_page_stands(tmp_path):
    read_me = tmp_path / "README.md"
    read_me.write_text(
        "[a](docs/a.md#x) [`LICENSE`](LICENSE) [the code](src) [out](https://a.example) `[b](docs/b.md)`"
    )
    assert Source(tmp_path).relinked(read_me, tmp_path / "docs" / "index.md") == (
        "[a](a.md#x) `LICENSE` the code (`src`) [out](https://a.example) `[b](docs/b.md)`"
    )
