"""Follow a session: what was recorded, then what comes."""

from collections.abc import AsyncGenerator, Sequence

from .ports import RecordedEvent, SessionStore

BATCH = 100


async def follow(
    store: SessionStore, session_id: str, *, after: int, idle_s: float
) -> AsyncGenerator[Sequence[RecordedEvent], None]:
    """Yield the events after version `after`, each once, in order, for as long as somebody asks for more.

    The first batch comes at once, and an empty one whenever nothing happened for `idle_s` seconds. What wakes it is
    only a hint: every batch is read from the store by version.

    Raises:
        NotFound: no such session, or it is gone.
    """
    batch = await store.history(session_id, after=after, limit=BATCH)
    yield batch
    while True:
        after = batch[-1].version if batch else after
        if not batch and not await store.changed(session_id, after, idle_s):
            yield ()
            continue
        batch = await store.history(session_id, after=after, limit=BATCH)
        if batch:
            yield batch
