"""The log of sessions that are kept without their bytes: nothing can be signed of it, and nothing checked."""

from collections.abc import AsyncGenerator, Sequence

from ...application.log import Checkpoint, LogBatch
from ...domain.errors import NotFound

_NOTHING: Sequence[LogBatch] = ()


class NoLog:
    """Implements `EventLog` and `CheckpointStore`."""

    async def hashes(self, *, after: int) -> AsyncGenerator[LogBatch, None]:  # noqa: ARG002 - the port's
        """None."""
        for batch in _NOTHING:
            yield batch

    def checked(self) -> AsyncGenerator[LogBatch, None]:
        """Refused."""
        raise NotFound(detail="These sessions are kept without their stored bytes, which alone could be verified.")

    async def latest(self) -> Checkpoint | None:
        """None."""
        return None

    async def add(self, checkpoint: Checkpoint) -> bool:  # noqa: ARG002 - the port's
        """Not kept."""
        return False

    async def following(self, size: int, *, limit: int) -> Sequence[Checkpoint]:  # noqa: ARG002 - the port's
        """None."""
        return ()

    async def preceding(self, size: int | None, *, limit: int) -> Sequence[Checkpoint]:  # noqa: ARG002 - the port's
        """None."""
        return ()
