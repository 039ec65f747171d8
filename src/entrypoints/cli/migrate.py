"""`pluggably migrate`: the tables of the session database, once before the first start and after each upgrade."""

from ..composition.commands import migrate_sessions
from ..settings import Settings


def migrate(settings: Settings) -> None:
    """Migrate, and say what was done.

    Raises:
        GatewayError: the database cannot be reached, or a newer version migrated it.
    """
    done = migrate_sessions(settings)
    for name in done:
        print(f"Done: {name}")
    if not done:
        print("Nothing to do.")
