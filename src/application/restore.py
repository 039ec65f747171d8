"""A backup put back where nothing is, and checked as an audit would before it is said to be there.

Checked are every byte of the backup, every event, every session's chain and every checkpoint of the log, that each
session can be read with the keys that there are, and that each artifact has its file. Whatever is wrong leaves the
place as empty as it was.
"""

from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from ..domain.artifact import Content
from ..domain.errors import InvalidRequest, SessionErased
from .artifact_ports import ArtifactFiles, Workspaces
from .audit import ArchiveQuery
from .backup import CONTENTS, DATABASE, FILES
from .backup_ports import Archive, Manifest, NewDatabase, NewDataFolder, Opened, Part, Totals
from .log import LogFault


@frozen(kw_only=True)
class RestoredBackup:
    """What was put back; `uncovered` events are newer than the last checkpoint that vouches for them."""

    manifest: Manifest
    size_bytes: int
    checkpoints: int
    uncovered: int


@define(kw_only=True)
class Restore:
    """Puts one back."""

    archive: Archive
    database: NewDatabase
    folder: NewDataFolder
    files: ArtifactFiles
    workspaces: Workspaces
    opened: Opened
    _put: list[Content] = field(init=False, factory=list)

    async def carry_out(self) -> RestoredBackup:
        """Put everything back, check it, and only then keep it.

        Raises:
            InvalidRequest: the backup is damaged, of another kind of database, or not what it says it is.
            GatewayError: something is there already, or a part cannot be written.
        """
        manifest = self.archive.manifest()
        if manifest.database != self.database.kind:
            raise InvalidRequest(
                detail=f"This backup is of sessions.store = {manifest.database!r}, and the settings say "
                f"{self.database.kind!r}: restore it there, and take sessions over with `pluggably audit import`."
            )
        self.folder.expect_empty()
        self.database.expect_empty()
        try:
            await self._put_back(manifest)
            restored = await self._check(manifest)
            self.folder.keep()
        except BaseException:
            await self._clear()
            raise
        return restored

    async def _put_back(self, manifest: Manifest) -> None:
        self.database.fill(manifest, self._of_database())
        await self.files.open()
        for name, path in self.archive.parts():
            if name.startswith(FILES):
                self.folder.put(name.removeprefix(FILES), path)
            elif name.startswith(CONTENTS):
                await self._put_content(await self.workspaces.content(path), path)

    def _of_database(self) -> Iterator[Part]:
        for name, path in self.archive.parts():
            if name.startswith(DATABASE):
                yield name.removeprefix(DATABASE), path

    async def _put_content(self, content: Content, path: Path) -> None:
        if not await self.files.has(content):
            self._put.append(content)
        await self.files.put(path, content)

    async def _check(self, manifest: Manifest) -> RestoredBackup:
        async with self.opened() as there:
            found = await there.log_check.verify()
            if found.fault:
                raise _not_whole(_said(found.fault))
            for stream in await there.archive.heads(ArchiveQuery()):
                try:
                    await there.sessions.load(stream.id)
                except SessionErased:
                    continue
        contents = self.database.contents()
        for content in contents:
            if not await self.files.has(content):
                raise _not_whole(f"it lacks the file {content.sha256} of an artifact")
        totals = Totals(events=found.events, sessions=found.sessions, artifacts=len(contents))
        if totals != manifest.totals:
            raise _not_whole(f"it says that it has {_counted(manifest.totals)}, and has {_counted(totals)}")
        return RestoredBackup(
            manifest=manifest,
            size_bytes=self.archive.size_bytes,
            checkpoints=found.checkpoints,
            uncovered=found.uncovered,
        )

    async def _clear(self) -> None:
        for content in self._put:
            await self.files.delete(content)
        self.database.clear()
        self.folder.clear()


def _said(fault: LogFault) -> str:
    if fault.session_id is not None:
        return f"version {fault.version} of session {fault.session_id} {fault.what}"
    subject = "a checkpoint" if fault.checkpoint is None else f"the checkpoint of {fault.checkpoint} events"
    return f"{subject} ({(fault.kept_in or '').replace('_', ' ')}) {fault.what}"


def _counted(totals: Totals) -> str:
    return f"{totals.events} events of {totals.sessions} sessions and {totals.artifacts} artifacts"


def _not_whole(what: str) -> InvalidRequest:
    return InvalidRequest(detail=f"Nothing was restored, as what is in this backup is not whole: {what}.")
