"""Tokens that only their issuer understands."""

import base64
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from pluggably.adapters.access.claims import ClaimRules
from pluggably.adapters.access.introspection import BELIEVED, IntrospectionAuthenticator
from pluggably.application.access import Access
from pluggably.domain.access import Scope
from pluggably.domain.errors import InvalidCredentials, StoreUnavailable

from .issuer import AUDIENCE, INTROSPECTION, NOON

AT_NOON = NOON.timestamp()
GOOD = {"active": True, "sub": "ada", "aud": AUDIENCE, "scope": "generate", "exp": AT_NOON + 300}
TOKEN = "opaque-token_1"


@pytest.fixture
async def authenticator(issuer, clock):
    authenticator = IntrospectionAuthenticator(
        issuer=issuer.url,
        url=issuer.url + INTROSPECTION,
        client_id="gate:way",
        client_secret="s e/c",
        audience=AUDIENCE,
        rules=ClaimRules(issuer="test"),
        clock=clock,
    )
    yield authenticator
    await authenticator.close()


async def test_the_issuer_says_who_it_is(authenticator, issuer):
    issuer.answer(INTROSPECTION, GOOD)
    identity = await authenticator.authenticate(TOKEN)
    assert (identity.principal.id, identity.principal.scopes) == ("test:ada", {Scope.GENERATE})
    assert identity.until == NOON + BELIEVED
    ((_, sent, who),) = issuer.asked
    assert parse_qs(sent) == {"token": [TOKEN], "token_type_hint": ["access_token"]}
    assert base64.b64decode(who.removeprefix("Basic ")) == b"gate%3Away:s+e%2Fc"


@pytest.mark.parametrize(
    "said",
    [
        {"active": False},
        {"active": "true"},
        {"active": None},
        {"aud": "https://other.test"},
        {"aud": None},
        {"aud": {AUDIENCE: 1}},
        {"iss": "https://other.test"},
        {"sub": None},
        {"cnf": {"jkt": "x"}},
        {"exp": "tomorrow"},
    ],
    ids=str,
)
async def test_who_is_not_known_or_not_for_us_is_refused(authenticator, issuer, said):
    issuer.answer(INTROSPECTION, GOOD | said)
    with pytest.raises(InvalidCredentials):
        await authenticator.authenticate(TOKEN)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"{}"), (401, b"{}"), (302, b"/elsewhere"), (200, b"<html>"), (200, b"[]"), (200, b" " * 2**20 + b"{}")],
    ids=["down", "not us", "moved", "no JSON", "no object", "too much"],
)
async def test_an_issuer_that_fails_is_not_the_clients_fault(authenticator, issuer, status, body):
    issuer.answer("/elsewhere", GOOD)
    issuer.answer(INTROSPECTION, body, status)
    with pytest.raises(StoreUnavailable):
        await authenticator.authenticate(TOKEN)


async def test_it_is_asked_again_after_a_while_and_when_the_token_ends(authenticator, issuer, clock):
    access = Access(authenticators=[authenticator], clock=clock)
    issuer.answer(INTROSPECTION, GOOD | {"exp": AT_NOON + 15})
    for passed, asked in ((0, 1), (9.9, 1), (10, 2), (14.9, 2), (15, 3)):
        clock.at = NOON + timedelta(seconds=passed)
        await access.principal(TOKEN)
        assert len(issuer.asked) == asked, passed


@pytest.mark.parametrize("exp", [1e300, 10**30, AT_NOON - 10**9, -1e300], ids=str)
async def test_any_end_may_be_named(authenticator, issuer, exp):
    issuer.answer(INTROSPECTION, GOOD | {"exp": exp})
    assert (await authenticator.authenticate(TOKEN)).until <= NOON + BELIEVED


@pytest.mark.parametrize("credential", ["", "plk_" + "x" * 43, "x" * 16_385])
async def test_what_is_no_such_token_is_not_told_to_the_issuer(authenticator, issuer, clock, credential):
    with pytest.raises(InvalidCredentials):
        await Access(authenticators=[authenticator], clock=clock).principal(credential)
    assert issuer.asked == []


async def test_a_token_of_another_issuer_is_not_told_to_this_one(authenticator, issuer, clock):
    with pytest.raises(InvalidCredentials):
        await Access(authenticators=[authenticator], clock=clock).principal(issuer.token())
    assert issuer.asked == []
