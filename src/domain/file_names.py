"""Names of files that strangers gave them, and which of their files are brought here at all.

A name becomes a path below the model's own folder, or it is refused: nothing absolute, nothing upwards, nothing hidden,
no backslashes and drives of other systems, no characters that cannot be seen, nothing that a disk would not take. Files
are chosen by patterns; by default those formats that cannot run code.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from .errors import UnsafeFile

MOST_PARTS = 8
LONGEST_PART_BYTES = 200
"""Of the 255 that disks take: notes and partial files have the name with something behind it."""
LONGEST_NAME_BYTES = 1_000

SAFE_PATTERNS = (
    *("*.safetensors", "*.gguf", "*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja"),
    *("*.md", "*.yaml", "LICENSE*", "NOTICE*", "*/LICENSE*"),
)
"""What is fetched of a repository by default: weights that are only numbers, and what describes them."""

WEIGHTS = (".safetensors", ".gguf")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npz", ".npy")

_SAFETENSORS_HEADER_LIMIT = 2**27
_PROTO = 0x80
_NEWEST_PICKLE = 5
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf")
_TAR_MAGIC = slice(257, 262)

HEAD_BYTES = 512
"""As much of a file's beginning as `refuse_unsafe` wants to see."""


def file_path(name: str) -> str:
    """The name as a path with `/` below a folder, its characters composed (NFC).

    Raises:
        UnsafeFile: it is none that is taken.
    """
    composed = unicodedata.normalize("NFC", name)
    parts = composed.split("/")
    if (
        not composed
        or len(parts) > MOST_PARTS
        or _bytes(composed) > LONGEST_NAME_BYTES
        or not all(map(_is_part, parts))
    ):
        raise UnsafeFile(detail=f"The source has a file of a name that is not taken: {shown(name)!r}.")
    return composed


def distinct(names: Sequence[str]) -> None:
    """Refuse names that some disk would take for the same, or of which one is another's folder.

    Raises:
        UnsafeFile: there are such.
    """
    folded = [name.casefold() for name in names]
    folders = {"/".join(parts[:end]) for parts in (it.split("/") for it in folded) for end in range(1, len(parts))}
    if len(set(folded)) < len(folded) or folders & set(folded):
        raise UnsafeFile(detail="The source has files whose names stand in each other's way.")


def folder_name(text: str) -> str:
    """A plain name for a folder, made from what a source is called."""
    kept = "".join(it if it.isascii() and (it.isalnum() or it in "._-+") else "-" for it in text)
    return kept.strip(".-")[:100] or "model"


def chosen(names: Iterable[str], include: Sequence[str]) -> list[str]:
    """Those that one of the patterns accepts; by default those of formats that cannot run code.

    A pattern is compared with the whole path, `*` also with `/`. Hidden files are never among them.
    """
    patterns = include or SAFE_PATTERNS
    visible = (name for name in names if not any(part.startswith(".") for part in name.split("/")))
    return [name for name in visible if any(_matches(name, pattern) for pattern in patterns)]


def refuse_pickles(names: Iterable[str]) -> None:
    """Refuse files whose names say that to load them is to run what is in them.

    Raises:
        UnsafeFile: there is one.
    """
    if found := [name for name in names if name.lower().endswith(PICKLES)]:
        raise UnsafeFile(
            detail=f"{shown(found[0])} is of a format that runs code when it is loaded. Choose safetensors or GGUF."
        )


def refuse_unsafe(name: str, head: bytes) -> None:
    """Look at the first `HEAD_BYTES` of a file, whatever it is called.

    Raises:
        UnsafeFile: it is a pickle, or an archive that may hold one, or not what its name says.
    """
    lower = name.lower()
    if lower.endswith(".gguf") and not head.startswith(b"GGUF"):
        raise UnsafeFile(detail=f"{shown(name)} is no GGUF file, although it is called one.")
    if lower.endswith(".safetensors") and not _is_safetensors(head):
        raise UnsafeFile(detail=f"{shown(name)} is no safetensors file, although it is called one.")
    if lower.endswith(WEIGHTS):
        return
    if _is_pickle(head) or head.startswith(_ARCHIVES) or head[_TAR_MAGIC] == b"ustar":
        raise UnsafeFile(detail=f"{shown(name)} is a pickle or an archive by its content; such files can run code.")


def shown(name: str) -> str:
    """A name for a message: short, and nothing in it that cannot be seen."""
    return "".join(it if it.isprintable() else "�" for it in name[:120])


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern)


def _is_part(part: str) -> bool:
    return (
        bool(part)
        and not part.startswith((".", "~"))
        and part == part.strip()
        and _bytes(part) <= LONGEST_PART_BYTES
        and not any(it in '\\:*?"<>|' or (unicodedata.category(it)[0] in "CZ" and it != " ") for it in part)
    )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _is_safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return 1 < length <= _SAFETENSORS_HEADER_LIMIT and head[8:9] == b"{"


def _is_pickle(head: bytes) -> bool:
    """Whether it begins like one; from protocol 2 on all of them do, and PyTorch's own have been of these for ever."""
    begins = len(head) > 1 and head[0] == _PROTO and 1 < head[1] <= _NEWEST_PICKLE
    return begins and not _is_safetensors(head)
