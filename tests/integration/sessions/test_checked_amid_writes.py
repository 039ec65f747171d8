"""A session is checked while it is written to: a chain that grows meanwhile is not taken for one that was altered."""

from .conversations import conversations

EVENTS = 300


async def test_a_chain_is_whole_for_whoever_checks_it_amid_appends(place):
    store = place.open()
    async with conversations(store, "ses_a") as ledger:
        await ledger.grow(1)
        while len(ledger.words) < EVENTS:
            found = await store.verify("ses_a")
            assert (found.valid, found.broken_at) == (True, None)
    await store.close()
