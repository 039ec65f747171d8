"""A copy of everything that is stored, made while the service runs.

The database is copied as it is at one moment, so that what is put back is what a power cut at that moment would have
left, which every start mends. The files of artifacts come after that: one that is deleted meanwhile is left out, and
its artifact forgotten, as it would have been. Models are not in it: they can be fetched again.
"""

from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, frozen

from ..domain.artifact import Content
from ..domain.errors import GatewayError, NotFound
from .artifact_ports import ArtifactFiles, Workspaces
from .backup_ports import DataFolder, LiveDatabase, Manifest, NewArchive
from .ports import Clock

DATABASE, FILES, CONTENTS = "database/", "files/", "contents/"
"""What the names of an archive's parts begin with."""


@frozen(kw_only=True)
class MadeBackup:
    """What a backup has, where it is, and its size."""

    manifest: Manifest
    path: Path
    size_bytes: int


@frozen(kw_only=True)
class Backup:
    """Makes one."""

    database: LiveDatabase
    folder: DataFolder
    files: ArtifactFiles
    workspaces: Workspaces
    archive: NewArchive
    clock: Clock
    version: str

    async def make(self) -> MadeBackup:
        """Copy everything.

        Raises:
            GatewayError: something cannot be read, or the archive cannot be written: then there is none.
        """
        for name, path in self.folder.checkpoint_files():
            self.archive.add(FILES + name, path)
        made_at = self.clock()
        with self.database.at_one_moment() as snapshot:
            totals, migrations, contents = snapshot.totals(), snapshot.migrations(), snapshot.contents()
            for name, path in snapshot.parts():
                self.archive.add(DATABASE + name, path)
        for name, path in self.folder.key_files():
            self.archive.add(FILES + name, path)
        gone = await self._copy(contents)
        manifest = Manifest(
            version=self.version,
            made_at=made_at,
            database=self.database.kind,
            migrations=migrations,
            totals=evolve(totals, artifacts=len(contents) - len(gone)),
            gone=gone,
        )
        path, size_bytes = self.archive.finish(manifest)
        self.folder.note(made_at)
        return MadeBackup(manifest=manifest, path=path, size_bytes=size_bytes)

    async def _copy(self, contents: Sequence[Content]) -> tuple[str, ...]:
        """Add the contents; gives those that were deleted meanwhile."""
        gone = []
        async with self.workspaces.open() as room:
            for content in contents:
                path = room / content.sha256
                try:
                    await self.files.copy(content, path)
                except NotFound as error:
                    if self.database.has(content):
                        raise GatewayError(
                            detail=f"The artifact store has lost the content {content.sha256}, which an artifact has: "
                            "there can be no whole backup before it is back, or that artifact is deleted."
                        ) from error
                    gone.append(content.sha256)
                else:
                    await self._expect(content, path)
                    self.archive.add(CONTENTS + content.sha256, path)
                    path.unlink()
        return tuple(gone)

    async def _expect(self, content: Content, path: Path) -> None:
        if await self.workspaces.content(path) != content:
            raise GatewayError(
                detail=f"The artifact store has other bytes than it was given under {content.sha256}: there can be no "
                "whole backup before that artifact is deleted."
            )
