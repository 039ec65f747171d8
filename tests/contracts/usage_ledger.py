"""What every `UsageLedger` promises; a test module per adapter subclasses this and provides the fixture `ledger`."""

import asyncio

import pytest

from pluggably.application.usage_ports import UsageBatch, UsageLedger, UsageQuery
from pluggably.domain.usage import UsageCounts, UsageGroup, UsageSlot

NOON = 12 + 24 * 20_782
"""Noon of 25 November 2026, counted in hours since 1970."""

ONE = UsageCounts(generations=1, input_tokens=7, output_tokens=3)


def slot(**facts) -> UsageSlot:
    ordinary = {"hour": NOON, "owner": "ann", "key": "key_1", "provider": "local", "model": "tiny"}
    return UsageSlot(**(ordinary | facts))


def batch(counts, number=1, writer="run_1") -> UsageBatch:
    return UsageBatch(writer=writer, number=number, counts=counts)


class UsageLedgerContract:
    """Fixtures to provide: `ledger`, closed afterwards."""

    @pytest.fixture
    def ledger(self) -> UsageLedger:
        raise NotImplementedError

    async def told(self, ledger: UsageLedger, group_by=UsageGroup.KEY, **wanted) -> dict[str, UsageCounts]:
        sums = await ledger.sums(UsageQuery(group_by=group_by, **wanted))
        assert [it.group for it in sums] == sorted(it.group for it in sums)
        return {it.group: it.counts for it in sums}

    async def test_what_is_added_is_added_up_by_every_group(self, ledger):
        await ledger.add(
            batch(
                {
                    slot(): ONE,
                    slot(model="large", provider="acme"): ONE,
                    slot(key="key_2", hour=NOON + 12): UsageCounts(*range(1, 10)),
                }
            )
        )
        await ledger.add(batch({slot(): ONE}, 2))
        twice, last = ONE.plus(ONE), UsageCounts(*range(1, 10))
        assert await self.told(ledger) == {"key_1": twice.plus(ONE), "key_2": last}
        assert await self.told(ledger, UsageGroup.MODEL) == {"large": ONE, "tiny": twice.plus(last)}
        assert await self.told(ledger, UsageGroup.PROVIDER) == {"acme": ONE, "local": twice.plus(last)}
        assert await self.told(ledger, UsageGroup.DAY) == {"2026-11-25": twice.plus(ONE), "2026-11-26": last}

    async def test_a_batch_that_comes_again_adds_nothing(self, ledger):
        for number in (1, 1, 2, 1, 2):
            await ledger.add(batch({slot(): ONE, slot(key="key_2"): ONE}, number))
        await ledger.add(batch({slot(): ONE}, 1, "run_2"))
        twice = ONE.plus(ONE)
        assert await self.told(ledger) == {"key_1": twice.plus(ONE), "key_2": twice}

    async def test_owners_are_told_apart(self, ledger):
        await ledger.add(batch({slot(): ONE, slot(owner="bob", key="key_2"): ONE}))
        assert set(await self.told(ledger, owner="ann")) == {"key_1"}
        assert await self.told(ledger, owner="nobody") == {}
        assert set(await self.told(ledger)) == {"key_1", "key_2"}

    async def test_a_time_begins_with_its_first_hour_and_ends_before_its_last(self, ledger):
        await ledger.add(batch({slot(hour=NOON + it, key=f"key_{it}"): ONE for it in range(4)}))
        assert set(await self.told(ledger, since=NOON + 1, until=NOON + 3)) == {"key_1", "key_2"}
        assert set(await self.told(ledger, since=NOON + 3)) == {"key_3"}
        assert set(await self.told(ledger, until=NOON)) == set()

    async def test_pages_go_on_where_the_one_before_ended(self, ledger):
        await ledger.add(batch({slot(key=f"key_{it}"): ONE for it in range(5)}))
        assert set(await self.told(ledger, limit=2)) == {"key_0", "key_1"}
        assert set(await self.told(ledger, limit=2, after="key_1")) == {"key_2", "key_3"}
        assert set(await self.told(ledger, limit=2, after="key_3")) == {"key_4"}

    async def test_all_who_add_at_once_are_counted(self, ledger):
        counts = {slot(key=f"key_{it}"): ONE for it in range(3)}
        backwards = dict(reversed(counts.items()))
        await asyncio.gather(*(ledger.add(batch((counts, backwards)[it % 2], 1, f"run_{it}")) for it in range(8)))
        assert (await self.told(ledger))["key_1"] == UsageCounts(generations=8, input_tokens=56, output_tokens=24)
