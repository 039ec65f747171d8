"""Signed checkpoints: what the log was, said so that nobody can take it back.

A checkpoint is the root of the Merkle tree over the hashes of the log's first events, signed. Each goes on from the one
before and reads only what came after that. It is kept beside the log, and in a second place that whoever may write the
log should not be able to write.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from attrs import define

from ..domain.errors import GatewayError
from ..domain.merkle import CompactRange
from .log import Checkpoint, CheckpointStore, EventLog, Notes, SecondPlace
from .ports import Clock

PAGE = 1_000


@define(kw_only=True)
class Checkpoints:
    """Makes checkpoints and shows them."""

    log: EventLog
    store: CheckpointStore
    second_place: SecondPlace
    notes: Notes
    clock: Clock

    async def make(self) -> Checkpoint | None:
        """Sign what the log has become, and keep that in both places.

        Returns:
            None if the log has not grown since the last one, or another process was first. Whatever the second place
            lacks is brought there anyway.

        Raises:
            GatewayError: the checkpoints that there are contradict each other, or one of the places fails: nothing is
                signed.
        """
        last = await self.store.latest()
        tree = await self._tree_of(last) if last else CompactRange()
        copied = await self._size_copied()
        made = await self._grown(tree, last.place if last else 0)
        kept = made is not None and await self.store.add(made)
        await self._copy(after=copied)
        return made if kept else None

    async def page(self, *, before: int | None, limit: int) -> Sequence[Checkpoint]:
        """Those smaller than `before`, or all, the largest first."""
        return await self.store.preceding(before, limit=limit)

    async def _tree_of(self, last: Checkpoint) -> CompactRange:
        try:
            tree = CompactRange.of(last.size, last.subtrees)
            if await asyncio.to_thread(self.notes.read, last.note) == tree.head():
                return tree
        except ValueError:
            pass
        raise GatewayError(
            detail=f"The last checkpoint (of {last.size} events) is not one that this gateway's key has signed, so no "
            "other is made from it: gateways on one database need the same signing key; else verify the log."
        )

    async def _size_copied(self) -> int:
        """The size of the newest note in the second place; it must be the one that is kept beside the log."""
        note = await asyncio.to_thread(self.second_place.last)
        if note is None:
            return 0
        try:
            head = await asyncio.to_thread(self.notes.read, note)
            for kept in await self.store.following(head.size - 1, limit=1):
                if await asyncio.to_thread(self.notes.read, kept.note) == head:
                    return head.size
        except ValueError:
            pass
        raise GatewayError(
            detail="The newest checkpoint in the second place is not in the database, so no other is made: verify the "
            "log. If the database was restored from a backup, put the file of checkpoints away and keep it."
        )

    async def _grown(self, tree: CompactRange, place: int) -> Checkpoint | None:
        before = tree.size
        async with aclosing(self.log.hashes(after=place)) as batches:
            async for batch in batches:
                tree = await asyncio.to_thread(tree.extended, batch.hashes)
                place = batch.places[-1]
        if tree.size == before:
            return None
        note = await asyncio.to_thread(self.notes.sign, tree.head())
        return Checkpoint(size=tree.size, place=place, subtrees=tree.to_bytes(), note=note, made_at=self.clock())

    async def _copy(self, *, after: int) -> None:
        while page := await self.store.following(after, limit=PAGE):
            await asyncio.to_thread(self.second_place.append, [it.note for it in page])
            after = page[-1].size
