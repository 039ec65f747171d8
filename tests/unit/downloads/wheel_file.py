"""Makes small wheels that hold models, after the binary distribution format."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

MODEL = b"GGUF" + bytes(range(256)) * 40


def a_wheel(
    folder: Path, files: dict[str, bytes] | None = None, *, name="tiny_model", version="1.0", record=None, metadata=""
) -> Path:
    """Write `<name>-<version>-py3-none-any.whl` into `folder`; `record` replaces the hashes by file name."""
    files = {f"{name}/Tiny.Q4_1.gguf": MODEL} if files is None else files
    info = f"{name}-{version}.dist-info"
    head = f"Metadata-Version: 2.2\nName: {name.replace('_', '-')}\nVersion: {version}\n{metadata}\n"
    files = files | {
        f"{info}/METADATA": head.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    hashes = {file: _hash(content) for file, content in files.items()} | (record or {})
    rows = [f"{file},{hashes[file]},{len(content)}\n" for file, content in files.items() if hashes[file] is not None]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        archive.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
    return path


def _hash(content: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(sha256(content).digest()).decode().rstrip("=")
