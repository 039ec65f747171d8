"""What stands behind the ports of audits, for the composition root; each adapter is imported when it is built."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...application.audit import Exporter, ExportReader, Signer
from ...application.log import Notes, SecondPlace
from ...domain.merkle import TreeHead
from ..settings import Settings
from . import sessions as session_parts
from .environment import secret


def signer(settings: Settings) -> Signer:
    """What exports, checkpoints and the like are signed with."""
    from ...adapters.audit.signing import SigningKey, seed_of

    variable = settings.audit.signing_key_env
    seed = seed_of(secret(variable, "Exports and checkpoints take their signing key")) if variable else None
    return SigningKey(settings.data_path / "sessions", seed=seed)


def log(settings: Settings, store: Any) -> Any:
    """The log of the store's events, which is both an `EventLog` and a `CheckpointStore`."""
    if session_parts.kind(settings) in ("sqlite", "postgres"):
        return store.log
    from ...adapters.memory.log import NoLog

    return NoLog()


def notes(signer: Signer) -> Notes:
    """How checkpoints are written and read."""
    from ...adapters.audit.notes import SigningNotes

    return SigningNotes(signer)


def second_place(settings: Settings) -> SecondPlace:
    """Where checkpoints are kept besides the database."""
    from ...adapters.audit.checkpoint_file import CheckpointFile

    return CheckpointFile(settings.checkpoints_folder)


def export_formats() -> Mapping[str, Exporter]:
    """The formats of exports by their names."""
    from ...adapters.audit.exporters import FORMATS

    return FORMATS


def open_export_reader() -> ExportReader:
    """What checks an export and folds its events, without the service and without settings."""
    from ...adapters.audit import verifier
    from ...adapters.sessions.mapper import read_record

    return ExportReader(file=verifier, read=read_record)


def read_checkpoints(lines: Iterable[bytes], public: bytes) -> Iterator[TreeHead | None]:
    """What the notes of a file of checkpoints say, without the service; None for one that the key has not signed."""
    from ...adapters.audit.checkpoint_file import notes_in
    from ...adapters.audit.notes import read_checkpoint

    for note in notes_in(lines):
        try:
            yield read_checkpoint(note, public)
        except ValueError:
            yield None
