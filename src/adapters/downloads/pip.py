"""Downloads one wheel with `python -m pip download` in a child process.

Speaks to pip from 24.1 on: `--progress-bar raw` prints `Progress <done> of <total>` on standard output
(https://pip.pypa.io/en/stable/cli/pip_download/). The operator's pip configuration holds, so mirrors, proxies and
credentials work as they do everywhere. Only wheels are taken and nothing is built or installed: no code of the package
runs. It cannot resume: an interrupted download begins anew.
"""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from pathlib import Path

from ...domain.errors import GatewayError, InsufficientStorage, NotFound

_OPTIONS = ("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=raw", "--retries=3")
_LINE_LIMIT = 2**20
_FINAL = ("ERROR:", "error:", "×")  # how lines begin that say why pip gave up
_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)\s*")
_UNREACHED = re.compile(r"Could not fetch URL (?!.*: (?:404|410) Client Error)")
_BROKEN_OFF = re.compile(r"incomplete-download|timed out|connection|max retries", re.IGNORECASE)
_VERSIONS = re.compile(r"\(from versions: (.*?)\)")
_URL_OR_PATH = re.compile(r"\S*(?:://|/)\S*")


async def download_wheel(requirement: str, into: Path) -> AsyncGenerator[tuple[int, int | None], None]:
    """Download the wheel of `name==version` into the empty folder `into`, with pip's own temporary files.

    Yields the bytes done and the bytes there are, as far as pip says so. Closing it ends pip.

    Raises:
        NotFound: there is no wheel of that name and version.
        InsufficientStorage: the disk is full.
        GatewayError: the registry could not be reached, or anything else that pip failed at.
    """
    with (into / "errors").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "pip", "download", *_OPTIONS, requirement),
            *("--dest", str(into), "--log", str(into / "log")),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=errors,
            cwd=into,
            env=os.environ | {"TMPDIR": str(into), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"},
            limit=_LINE_LIMIT,
        )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        async for line in process.stdout:
            if progress := _PROGRESS.fullmatch(line):
                yield int(progress[1]), int(progress[2]) or None
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if status:
        raise failure(
            requirement,
            log=await asyncio.to_thread(_text, into / "log"),
            errors=await asyncio.to_thread(_text, into / "errors"),
        )


def failure(requirement: str, *, log: str, errors: str) -> GatewayError:
    """The error that pip's verbose log and its error output tell of."""
    final = [line for line in errors.splitlines() if line.startswith(_FINAL)]
    if "No space left on device" in errors:
        return InsufficientStorage(detail=f"The disk is full; {requirement!r} was not fetched.")
    if _UNREACHED.search(log):
        return GatewayError(
            detail="The package registry could not be reached. Check the network and pip's settings for its index and "
            "proxy (`pip config list`), then fetch again."
        )
    if "No matching distribution found" in errors:
        return NotFound(detail=f"There is no package {requirement!r} that could be used here.{_offer(errors)}")
    if any(map(_BROKEN_OFF.search, final)):
        return GatewayError(
            detail="The connection to the package registry broke off. Check the network and fetch again."
        )
    return GatewayError(detail=f"pip could not download {requirement!r}: {_last(final)}")


def _offer(errors: str) -> str:
    found = _VERSIONS.search(errors)
    versions = [] if found is None or found[1] == "none" else found[1].split(", ")
    return f" There is {', '.join(versions[-8:])}." if versions else ""


def _last(lines: list[str]) -> str:
    """The last line, without addresses and paths, which may hold credentials."""
    return (
        _URL_OR_PATH.sub("…", lines[-1].lstrip("× ").removeprefix("ERROR: "))[:300] if lines else "it gave no reason."
    )


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
