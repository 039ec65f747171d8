"""Ids: unique, sortable, of the documented form."""

import re
from datetime import timedelta

from pluggably.adapters.system import IdSequence, now


def test_ids_sort_in_the_order_they_were_made():
    new_id = IdSequence()
    ids = [new_id("gen") for _ in range(5_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_an_id_has_its_prefix_and_only_unambiguous_letters():
    assert re.fullmatch(r"ses_[0-9a-hjkmnp-tv-z]{26}", IdSequence()("ses"))


def test_the_clock_says_utc():
    assert now().utcoffset() == timedelta(0)
