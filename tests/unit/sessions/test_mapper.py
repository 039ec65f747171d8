"""What is stored of an event commits to its content without telling it."""

import os
from hashlib import sha256

import msgspec
import pytest

from pluggably.adapters.sessions.mapper import ChainedEvent, SessionMapper, record
from pluggably.domain.errors import GatewayError

from ...session_builders import ALICE, NOON, opened


def chained(**facts) -> ChainedEvent:
    return ChainedEvent(
        originator_id="ses_a",
        originator_version=1,
        event=opened(title="Grüße", **facts),
        event_id="evt_1",
        provenance=ALICE,
        recorded_at=NOON,
        previous_hash="",
    )


def test_whoever_is_shown_salt_and_values_can_check_them_against_the_header():
    mapper = SessionMapper(os.urandom(32))
    it = record(mapper.to_stored_event(chained()), mapper)
    assert msgspec.json.decode(it.header)["content_digest"] == sha256(it.salt + it.values).hexdigest()
    assert (it.format, len(it.salt), msgspec.json.decode(it.values)["title"]) == (2, 16, "Grüße")


def test_the_same_content_has_another_commitment_each_time():
    mapper = SessionMapper(os.urandom(32))
    headers = {record(mapper.to_stored_event(chained()), mapper).header for _ in range(3)}
    assert len({msgspec.json.decode(header)["content_digest"] for header in headers}) == 3


def test_without_the_key_neither_salt_nor_values_are_told():
    mapper = SessionMapper(os.urandom(32))
    it = record(mapper.to_stored_event(chained()), None)
    assert (it.salt, it.values) == (None, None)


def test_another_key_opens_nothing():
    stored = SessionMapper(os.urandom(32)).to_stored_event(chained())
    with pytest.raises(GatewayError, match="Event 1 of session ses_a"):
        SessionMapper(os.urandom(32)).to_domain_event(stored)
