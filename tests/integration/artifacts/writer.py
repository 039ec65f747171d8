"""A process that keeps files until it is killed; it says on stdout what it has kept: an artifact's id and its sha256.

Its first line is `ready`. Run as `python -m tests.integration.artifacts.writer <folder>`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from pluggably.adapters.artifacts.disk import DiskArtifactFiles
from pluggably.adapters.artifacts.index import SqlArtifactIndex
from pluggably.adapters.artifacts.pictures import HeaderPictures
from pluggably.adapters.artifacts.workspaces import LocalWorkspaces
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.system import IdSequence, now
from pluggably.application.artifacts import Artifacts
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.generation import OutputFile

PIECES = 40


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Artifacts]:
    """The use case over what is in `folder`."""
    database = SqliteDatabase(folder / "gateway.sqlite")
    files = DiskArtifactFiles(folder / "artifacts")
    await files.open()
    artifacts = Artifacts(
        files=files,
        index=SqlArtifactIndex(database),
        workspaces=LocalWorkspaces(folder / "work"),
        pictures=HeaderPictures(2**25),
        clock=now,
        new_id=IdSequence(),
        keep_for=timedelta(days=1),
        input_limit_bytes=2**20,
    )
    try:
        yield artifacts
    finally:
        for it in (files, database, artifacts.workspaces, artifacts.pictures):
            await it.close()


async def main(folder: Path) -> None:
    source = folder / f"source{os.getpid()}"
    async with opened(folder) as artifacts:
        print("ready", flush=True)
        while True:
            with source.open("wb") as file:
                for _ in range(PIECES):
                    file.write(os.urandom(2**20))
            kept = await artifacts.keep(OutputFile(path=str(source), media_type="model/gltf-binary"), LOCAL_OPERATOR)
            print(kept.id, kept.content.sha256, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
