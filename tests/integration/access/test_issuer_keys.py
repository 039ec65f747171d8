"""The keys of an issuer: found, kept, changed, and had no oftener than they may be asked for."""

import asyncio

import pytest
from joserfc.jwk import OctKey

from pluggably.adapters.access.jwks import AT_MOST_EVERY_S, IssuerKeys
from pluggably.domain.errors import InvalidCredentials, StoreUnavailable

from .issuer import CURVED, DISCOVERY, KEYS, ONE, TWO


class Seconds:
    """Time that goes by when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
async def keys(issuer, seconds):
    keys = IssuerKeys(issuer.url, now=seconds)
    yield keys
    await keys.close()


@pytest.fixture
def authenticator(issuer, clock, keys):
    return issuer.authenticator(clock, keys=keys)


async def refused(authenticator, token):
    with pytest.raises(InvalidCredentials):
        await authenticator.authenticate(token)


async def test_they_are_discovered_once_and_kept(authenticator, issuer):
    for _ in range(3):
        await authenticator.authenticate(issuer.token())
    assert (issuer.times(DISCOVERY), issuer.times(KEYS)) == (1, 1)


async def test_where_they_are_may_be_said(issuer, clock):
    issuer.answer("/elsewhere", b"", 500)
    keys = IssuerKeys(issuer.url, jwks_url=issuer.url + KEYS)
    assert await issuer.authenticator(clock, keys=keys).authenticate(issuer.token())
    assert issuer.times(DISCOVERY) == 0
    await keys.close()


async def test_a_new_key_is_believed_at_once_and_an_old_one_no_longer(authenticator, issuer):
    await authenticator.authenticate(issuer.token())
    issuer.publish(TWO)
    assert await authenticator.authenticate(issuer.token(TWO))
    await refused(authenticator, issuer.token(ONE))


async def test_made_up_keys_are_asked_for_once_in_a_while(authenticator, issuer, seconds):
    await authenticator.authenticate(issuer.token())
    for number in range(5):
        await refused(authenticator, issuer.token(TWO, {"kid": f"made-up-{number}"}))
    assert issuer.times(KEYS) == 2
    seconds.passed += AT_MOST_EVERY_S - 0.1
    await refused(authenticator, issuer.token(TWO))
    assert issuer.times(KEYS) == 2
    seconds.passed += 0.1
    await refused(authenticator, issuer.token(TWO))
    assert issuer.times(KEYS) == 3


async def test_who_comes_at_once_waits_for_the_same_answer(authenticator, issuer):
    issuer.gate.clear()
    waiting = [asyncio.create_task(authenticator.authenticate(issuer.token())) for _ in range(10)]
    while not issuer.asked:
        await asyncio.sleep(0)
    waiting[0].cancel()  # who asked first may leave
    issuer.gate.set()
    assert len(await asyncio.gather(*waiting[1:])) == 9
    assert (issuer.times(DISCOVERY), issuer.times(KEYS)) == (1, 1)


async def test_known_keys_are_not_waited_for(authenticator, issuer, seconds):
    await authenticator.authenticate(issuer.token())
    seconds.passed = AT_MOST_EVERY_S
    issuer.gate.clear()
    unknown = asyncio.create_task(authenticator.authenticate(issuer.token(TWO)))
    while issuer.times(DISCOVERY) < 2:
        await asyncio.sleep(0)
    assert await authenticator.authenticate(issuer.token())
    assert not unknown.done()
    issuer.gate.set()
    with pytest.raises(InvalidCredentials):
        await unknown


BROKEN = {
    "it is down": (500, b"{}"),
    "no JSON": (200, b"<html>"),
    "no object": (200, b"[]"),
    "no keys": (200, b'{"keys": []}'),
    "keys that are none": (200, b'{"keys": [7, {}, {"kty": "RSA"}, {"kty": []}, {"kty": "EC", "crv": "P-1"}]}'),
    "too much": (200, b" " * (2**20 + 1) + b'{"keys": []}'),
    "too deep": (200, b"[" * 100_000),
    "a redirect": (302, b"/moved"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
async def test_an_issuer_that_fails_takes_nothing_away(authenticator, issuer, seconds, path, answer):
    await authenticator.authenticate(issuer.token())
    issuer.answer("/moved", {"keys": [TWO.as_dict(private=False)], "issuer": issuer.url, "jwks_uri": issuer.url + KEYS})
    issuer.answer(path, answer[1], answer[0])
    seconds.passed = AT_MOST_EVERY_S
    await refused(authenticator, issuer.token(TWO))
    assert await authenticator.authenticate(issuer.token())
    assert issuer.times("/moved") == 0


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_an_issuer_that_never_worked_is_not_the_clients_fault(authenticator, issuer, seconds, answer):
    good = issuer.answers[KEYS]
    issuer.answer(KEYS, answer[1], answer[0])
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await authenticator.authenticate(issuer.token())
    assert issuer.times(DISCOVERY) == 1
    issuer.answers[KEYS] = good
    seconds.passed = AT_MOST_EVERY_S
    assert await authenticator.authenticate(issuer.token())


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.test"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://[::1"},
        {"jwks_uri": "//[::1"},
    ],
    ids=str,
)
async def test_a_discovery_document_that_is_not_the_issuers_is_not_believed(authenticator, issuer, document):
    issuer.answer(DISCOVERY, {"issuer": issuer.url, "jwks_uri": issuer.url + KEYS} | document)
    with pytest.raises(StoreUnavailable):
        await authenticator.authenticate(issuer.token())
    assert issuer.times(KEYS) == 0


async def test_keys_of_unknown_kinds_stand_in_nobodys_way(authenticator, issuer):
    strange = [{"kty": "AKP", "kid": "new"}, {"kty": "EC", "crv": "P-1", "kid": "odd"}, {"kty": "RSA", "kid": "half"}]
    issuer.answer(KEYS, {"keys": [*strange, ONE.as_dict(private=False)]})
    assert await authenticator.authenticate(issuer.token())


async def test_keys_that_are_not_for_signing_are_none(authenticator, issuer):
    secret = OctKey.generate_key(256, {"kid": "secret"})
    issuer.answer(
        KEYS,
        {"keys": [ONE.as_dict(private=False, use="enc"), secret.as_dict(private=True), CURVED.as_dict(private=False)]},
    )
    await refused(authenticator, issuer.token(ONE))
    assert await authenticator.authenticate(issuer.token(CURVED))


async def test_an_only_key_needs_no_name(authenticator, issuer):
    issuer.publish(ONE)
    assert await authenticator.authenticate(issuer.token(header={"kid": None}))
    await refused(authenticator, issuer.token(CURVED, {"kid": None}))


async def test_of_several_keys_one_must_be_named(authenticator, issuer):
    await refused(authenticator, issuer.token(header={"kid": None}))


async def test_they_are_fetched_again_without_any_request(issuer, clock):
    keys = IssuerKeys(issuer.url, every_s=0.01, now=lambda: float(issuer.times(KEYS)) * AT_MOST_EVERY_S)
    authenticator = issuer.authenticator(clock, keys=keys)
    await authenticator.authenticate(issuer.token())
    issuer.answer(KEYS, b"", 500)
    while issuer.times(KEYS) < 4:
        await asyncio.sleep(0.01)
    issuer.publish(TWO)
    seen = issuer.times(KEYS)
    while issuer.times(KEYS) < seen + 2:
        await asyncio.sleep(0.01)
    asked = issuer.times(DISCOVERY)
    issuer.gate.clear()  # nothing is waited for any more
    await authenticator.authenticate(issuer.token(TWO))
    assert issuer.times(DISCOVERY) >= asked
    issuer.gate.set()
    await keys.close()
