"""Masks as OpenAI wants them: a PNG that is transparent where ours are white, which is where a picture may change.

What a client sent is decoded by Pillow (13) in a process of its own, as everywhere here: decoders of pictures are often
broken into, and the gateway's process has its keys. It is given no environment but what Python needs to start.
"""

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ....domain.errors import GatewayError, InvalidRequest

INSTALLED: Final = find_spec("PIL") is not None
"""Whether masks can be made at all: Pillow comes with `pip install 'pluggably[local]'`."""

LIMIT_S: Final = 60.0
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


async def make_transparent(mask: Path, path: Path) -> None:
    """Write a mask of ours as one of OpenAI's, into a new file; cancelling ends the process.

    Raises:
        InvalidRequest: the mask cannot be read.
        GatewayError: the process did not come to its end.
    """
    environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    arguments = (sys.executable, "-m", __name__, str(mask), str(path))
    process = await asyncio.create_subprocess_exec(*arguments, env=environ, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(LIMIT_S):
            code = await process.wait()
    except TimeoutError as exc:
        raise GatewayError(detail="The mask could not be read in time.") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise InvalidRequest.at("/input", "the mask cannot be read", ("PNG", "JPEG", "WEBP"))


def main(mask: str, path: str) -> None:
    """What the process does."""
    from PIL import Image, ImageOps

    with Image.open(mask, formats=("PNG", "JPEG", "WEBP")) as image:
        white = image.convert("L")
    Image.merge("RGBA", (white, white, white, ImageOps.invert(white))).save(path, "PNG")


if __name__ == "__main__":
    main(*sys.argv[1:])
