"""`pluggably audit import`: the sessions of an export, brought into the configured store."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from ...application.imports import ImportedSession, Outcome
from ..composition.commands import open_imports
from ..settings import Settings
from .plain import plain

_SAID = {
    Outcome.IMPORTED: "imported",
    Outcome.THERE: "skipped: it is here already",
    Outcome.ERASED: "skipped: it was erased, so that there is nothing to import",
    Outcome.TRAIL: "skipped: it is the other gateway's audit trail, which stays in the export",
    Outcome.REFUSED: "REFUSED:",
}


@frozen
class FileLines:
    """The lines of a file, which can be gone through more than once."""

    file: BinaryIO

    def __iter__(self) -> Iterator[bytes]:
        """From the beginning."""
        self.file.seek(0)
        return iter(self.file)


async def import_sessions(settings: Settings, file: BinaryIO, trusted: bytes) -> bool:
    """Import, and say what became of each session.

    Returns:
        Whether none was refused.

    Raises:
        GatewayError: the export is not whole, or the store cannot be opened.
    """
    outcomes: Counter[Outcome] = Counter()
    async with open_imports(settings) as imports:
        async for it in await imports.begin(FileLines(file), trusted):
            outcomes[it.outcome] += 1
            print(_line(it), flush=True)
    refused = outcomes[Outcome.REFUSED]
    skipped = outcomes.total() - outcomes[Outcome.IMPORTED] - refused
    print(f"{outcomes[Outcome.IMPORTED]} imported, {skipped} skipped, {refused} refused.")
    return not refused


def _line(it: ImportedSession) -> str:
    return plain(f"{it.id} {_SAID[it.outcome]} {it.reason}".rstrip())
