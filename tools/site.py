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

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent

_LINK = re.compile(
    r"```.*?```|`[^`\n]*`|"  # code has none
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)",
    re.DOTALL,
)


@frozen
class Source:
    """A repository that has pages."""

    root: Path = ROOT

    @property
    def docs(self) -> Path:
        """Where they are."""
        return self.root / "docs"

    @property
    def moved(self) -> dict[Path, Path]:
        """Those that stand elsewhere in it, and where they are shown."""
        return {self.root / "README.md": self.docs / "index.md", self.root / "CHANGELOG.md": self.docs / "changelog.md"}

    def pages(self) -> Iterator[tuple[Path, Path]]:
        """Every page, and where it is shown."""
        yield from ((it, shown) for it, shown in self.moved.items() if it.exists())
        yield from ((it, it) for it in sorted(self.docs.rglob("*.md")))

    def relinked(self, source: Path, page: Path) -> str:
        """The text of a page, its links as they lead from where it is shown."""

        def relink(link: re.Match[str]) -> str:
            if link["path"] is None or ":" in link["path"]:
                return link[0]
            target = (source.parent / link["path"]).resolve()
            target = self.moved.get(target, target)
            if target.is_relative_to(self.docs):
                path = os.path.relpath(target, page.parent) + ("/README.md" if target.is_dir() else "")
                return f"{link['image']}[{link['text']}]({path}{link['anchor'] or ''})"
            name = f"`{os.path.relpath(target, self.root)}`"
            return name if link["text"] == name else f"{link['text']} ({name})"

        return _LINK.sub(relink, source.read_text())


def build(folder: Path, source: Source = Source()) -> None:
    """Build the pages in a folder.

    Raises:
        subprocess.CalledProcessError: something is wrong with them, which was printed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source.docs, folder / "docs", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(ROOT / "zensical.toml", folder)
    for file, page in source.pages():
        (folder / "docs" / page.relative_to(source.docs)).write_text(source.relinked(file, page))
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "NO_COLOR": "1"})


if __name__ == "__main__":
    where = Path(sys.argv[1] if sys.argv[1:] else ROOT / "build" / "docs")
    build(where)
    print(f"The pages are in {where / 'site'}: open {where / 'site' / 'index.html'}.")
