"""Build the documentation as pages: `python -m tools.site [FOLDER]`, into `FOLDER/site`; `build/docs` without one.

The pages are those of `docs/`, with the README as the first one and the changes as one more. Their links are written
for readers of the repository: here those into `docs/` follow, and those to other files become the names of the files.
Strict: a link or an anchor that leads nowhere fails the build. It needs no network, and the pages load nothing from
elsewhere.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MOVED = {ROOT / "README.md": DOCS / "index.md", ROOT / "CHANGELOG.md": DOCS / "changelog.md"}
"""Pages that stand elsewhere in the repository."""

_LINK = re.compile(
    r"```.*?```|`[^`\n]*`|"  # code has none
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)",
    re.DOTALL,
)


def build(folder: Path) -> None:
    """Build the pages in a folder.

    Raises:
        subprocess.CalledProcessError: something is wrong with them, which was printed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(ROOT / "zensical.toml", folder)
    for source, page in _pages():
        (folder / "docs" / page.relative_to(DOCS)).write_text(_relinked(source, page))
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "NO_COLOR": "1"})


def _pages() -> Iterator[tuple[Path, Path]]:
    yield from MOVED.items()
    yield from ((page, page) for page in sorted(DOCS.rglob("*.md")))


def _relinked(source: Path, page: Path) -> str:
    """The text of a page, its links as they lead from where it stands among the pages."""

    def relink(link: re.Match[str]) -> str:
        if link["path"] is None or ":" in link["path"]:
            return link[0]
        target = (source.parent / link["path"]).resolve()
        target = MOVED.get(target, target)
        if target.is_relative_to(DOCS):
            path = os.path.relpath(target, page.parent) + ("/README.md" if target.is_dir() else "")
            return f"{link['image']}[{link['text']}]({path}{link['anchor'] or ''})"
        name = f"`{os.path.relpath(target, ROOT)}`"
        return name if link["text"] == name else f"{link['text']} ({name})"

    return _LINK.sub(relink, source.read_text())


if __name__ == "__main__":
    where = Path(sys.argv[1] if sys.argv[1:] else ROOT / "build" / "docs")
    build(where)
    print(f"The pages are in {where / 'site'}: open {where / 'site' / 'index.html'}.")
