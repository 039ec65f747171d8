"""`pluggably backup` and `pluggably restore`: everything that is stored, copied away and put back."""

from pathlib import Path

from rich.filesize import decimal

from ...application.backup_ports import Manifest, Totals
from ..composition.backups import open_backup, open_restore
from ..settings import Settings


async def backup(settings: Settings, target: Path) -> None:
    """Make a backup, and say what it has.

    Raises:
        GatewayError: something cannot be read, or the backup cannot be written: then there is none.
    """
    async with open_backup(settings, target) as one:
        made = await one.make()
    print(f"{made.path}: {_counted(made.manifest.totals)}, {decimal(made.size_bytes)}, as of {_when(made.manifest)}.")
    if gone := len(made.manifest.gone):
        print(f"{gone} artifacts were deleted meanwhile and are not in it.")
    print(
        "Whoever has it reads everything: the keys of the data folder are in it. Not in it: models, which can be "
        "fetched again; the settings; what is kept in environment variables."
    )


async def restore(settings: Settings, source: Path) -> None:
    """Put a backup back, and say what was found when it was checked.

    Raises:
        GatewayError: it is damaged, or something is there already: then nothing was put back.
    """
    async with open_restore(settings, source) as one:
        done = await one.carry_out()
    print(
        f"Restored and verified: {_counted(done.manifest.totals)}, {decimal(done.size_bytes)}, as of "
        f"{_when(done.manifest)}. Every event is whole, and as {done.checkpoints} checkpoints say."
    )
    if done.uncovered:
        print(
            f"{done.uncovered} events are newer than the last checkpoint: only their sessions' chains vouch for them."
        )
    print("What was erased, changed or revoked after that moment is as it was before. Models are to be fetched again.")


def _counted(totals: Totals) -> str:
    return f"{totals.events} events of {totals.sessions} sessions, {totals.artifacts} artifacts"


def _when(manifest: Manifest) -> str:
    return f"{manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
