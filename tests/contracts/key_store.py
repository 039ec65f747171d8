"""What every `KeyStore` promises; a test module per adapter subclasses this and provides the fixture `keys`."""

from datetime import timedelta

import pytest
from attrs import evolve

from pluggably.application.access_ports import KeyStore
from pluggably.domain.access import Limits, Scope
from pluggably.domain.api_key import ApiKey, secret_of
from tests.session_builders import NOON


def a_key(number: int = 1, **facts) -> ApiKey:
    ordinary = {
        "name": "Grüße",
        "owner": "alice",
        "scopes": frozenset({Scope.GENERATE, Scope.MODELS_READ}),
        "secrets": (secret_of(f"plk_{number}"),),
        "created_at": NOON,
    }
    return ApiKey(id=f"key_{number}", **(ordinary | facts))


MOST = {
    "models": ("tiny", "acme/*"),
    "limits": Limits(requests_per_minute=1, tokens_per_minute=2, concurrent=3),
    "expires_at": NOON + timedelta(microseconds=1),
    "revoked_at": NOON,
    "secrets": (secret_of("plk_new"), secret_of("plk_old", NOON)),
}


class KeyStoreContract:
    """Fixtures to provide: `keys`, empty, closed afterwards."""

    @pytest.fixture
    def keys(self) -> KeyStore:
        raise NotImplementedError

    @pytest.mark.parametrize("facts", [{}, MOST], ids=["least", "most"])
    async def test_what_was_added_is_got_as_it_was(self, keys, facts):
        key = a_key(**facts)
        await keys.add(key)
        assert await keys.get(key.id) == key
        assert [await keys.with_secret(it.digest) for it in key.secrets] == [key] * len(key.secrets)
        assert list(await keys.list()) == [key]

    async def test_what_is_not_there_is_none(self, keys):
        await keys.add(a_key())
        assert await keys.get("key_2") is await keys.with_secret(secret_of("plk_2").digest) is None

    async def test_the_list_has_the_first_one_first(self, keys):
        for number in (2, 1, 3):
            await keys.add(a_key(number))
        assert [key.id for key in await keys.list()] == ["key_1", "key_2", "key_3"]

    async def test_a_key_is_replaced_by_whoever_knows_what_it_was(self, keys):
        old = a_key()
        await keys.add(old)
        new = old.rotated(secret_of("plk_new"), NOON, timedelta(seconds=1))
        assert await keys.replace(new, old) is True
        assert await keys.replace(old.revoked(NOON), old) is False
        assert await keys.get(old.id) == new
        assert await keys.with_secret(secret_of("plk_new").digest) == new

    async def test_when_it_was_used_is_noted_and_keeps_nobody_from_replacing_it(self, keys):
        key = a_key()
        await keys.add(key)
        await keys.used(key.id, NOON)
        assert await keys.get(key.id) == evolve(key, last_used_at=NOON)
        assert await keys.replace(key.revoked(NOON), key) is True
        assert (await keys.get(key.id)).last_used_at == NOON
