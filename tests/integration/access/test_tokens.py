"""Tokens of an issuer: which are believed, for whom and how long."""

import base64
import hmac
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from pluggably.adapters.access.claims import ClaimRules
from pluggably.adapters.access.tokens import BELIEVED, SharedSecret
from pluggably.application.access import Access
from pluggably.domain.access import Scope
from pluggably.domain.errors import InvalidCredentials

from .issuer import AUDIENCE, CURVED, NOON, ONE, TWO, Clock

SECRET = "s" * 32
AT_NOON = int(NOON.timestamp())


def coded(document) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


async def refused(authenticator, token) -> str:
    with pytest.raises(InvalidCredentials) as error:
        await authenticator.authenticate(token)
    return str(error.value)


@pytest.mark.parametrize("key", [ONE, CURVED], ids=["RSA", "elliptic"])
async def test_a_good_token_is_believed(authenticator, issuer, key):
    token = issuer.token(key)
    assert authenticator.knows(token)
    identity = await authenticator.authenticate(token)
    principal = identity.principal
    assert (principal.id, principal.method, principal.account) == ("test:ada", "oidc", "test:ada")
    assert principal.scopes == {Scope.GENERATE}
    assert identity.until == NOON + BELIEVED


@pytest.mark.parametrize("audience", [[AUDIENCE], ["https://other.test", AUDIENCE]])
async def test_an_audience_may_be_one_of_several(authenticator, issuer, audience):
    assert await authenticator.authenticate(issuer.token(aud=audience))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": AT_NOON - 31},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": [AT_NOON + 300]},
        {"nbf": AT_NOON + 31},
        {"iat": AT_NOON + 31},
        {"aud": "https://other.test"},
        {"aud": ["https://other.test"]},
        {"aud": AUDIENCE + "/"},
        {"aud": {AUDIENCE: True}},
        {"aud": []},
        {"aud": None},
        {"iss": "https://other.test"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0"},
        {"sub": "\ud800"},
        {"sub": "a" * 256},
        {"cnf": {"jkt": "of a key"}},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_or_not_now_is_refused(authenticator, issuer, claims):
    assert "ada" not in await refused(authenticator, issuer.token(**claims))


@pytest.mark.parametrize("claims", [{"exp": AT_NOON - 29}, {"nbf": AT_NOON + 29}, {"iat": AT_NOON + 29}], ids=str)
async def test_clocks_may_be_a_little_off(authenticator, issuer, claims):
    assert await authenticator.authenticate(issuer.token(**claims))


@pytest.mark.parametrize("exp", [AT_NOON + 300.5, 253_402_300_799, 10**30, 1e300], ids=str)
async def test_any_end_may_be_named(authenticator, issuer, exp):
    assert (await authenticator.authenticate(issuer.token(exp=exp))).until == NOON + BELIEVED


def forged(issuer, header, key=None, **claims) -> str:
    """A token with that header, signed by nobody, or by somebody who has `key`."""
    if key:
        return jws.serialize_compact(header, json.dumps(issuer.claims(**claims)), key, [header["alg"]])
    return f"{coded(header)}.{coded(issuer.claims(**claims))}."


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "RS256", ["RS256"], 7])
async def test_a_token_that_nobody_signed_is_refused(authenticator, issuer, algorithm):
    await refused(authenticator, forged(issuer, {"alg": algorithm, "kid": "one"}))
    if algorithm != "RS256":
        assert issuer.asked == []


@pytest.mark.parametrize("form", ["PEM", "DER", "JSON"])
@pytest.mark.parametrize("stripped", [True, False])
async def test_a_public_key_is_no_secret_to_sign_with(authenticator, issuer, form, stripped):
    document = json.dumps(ONE.as_dict(private=False)).encode()
    public = document if form == "JSON" else ONE.as_bytes(form, private=False)
    text = f"{coded({'alg': 'HS256', 'kid': 'one'})}.{coded(issuer.claims())}"
    code = hmac.digest(public.strip() if stripped else public, text.encode(), "sha256")
    await refused(authenticator, f"{text}.{base64.urlsafe_b64encode(code).decode().rstrip('=')}")


async def test_somebody_elses_signature_is_refused(authenticator, issuer):
    token = issuer.token(TWO, {"kid": "one"})
    await refused(authenticator, token)
    good = issuer.token()
    head, _, signature = good.split(".")
    await refused(authenticator, f"{head}.{coded(issuer.claims(sub='root'))}.{signature}")


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": TWO.as_dict(private=False), "kid": None},
        {"jwk": TWO.as_dict(private=False), "kid": "two"},
        {"jku": "http://127.0.0.1:1/keys", "kid": "two"},
    ],
    ids=["its own", "its own, named", "an address"],
)
async def test_a_token_brings_no_keys_of_its_own(authenticator, issuer, header):
    await refused(authenticator, issuer.token(TWO, header))
    assert {path for path, *_ in issuer.asked} == {"/.well-known/openid-configuration", "/keys"}


@pytest.mark.parametrize("crit", [["b64"], ["exp"], ["unheard-of"], []], ids=str)
async def test_what_is_critical_and_not_known_is_refused(authenticator, issuer, crit):
    header = {"alg": "RS256", "kid": "one", "crit": crit, "b64": False, "exp": 1, "unheard-of": 1}
    head, payload = coded(header), coded(issuer.claims())
    signed = jws.serialize_compact({"alg": "RS256", "kid": "one"}, json.dumps(issuer.claims()), ONE, ["RS256"])
    await refused(authenticator, f"{head}.{payload}.{signed.rpartition('.')[2]}")


async def test_headers_that_are_not_critical_mean_nothing(authenticator, issuer):
    assert await authenticator.authenticate(issuer.token(header={"nonce": "of the issuer's own"}))


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "ID", 7])
async def test_tokens_of_another_kind_are_refused(authenticator, issuer, kind):
    text = f"{coded({'alg': 'RS256', 'kid': 'one', 'typ': kind})}.{coded(issuer.claims())}"
    await refused(authenticator, f"{text}.{signature_of(text)}")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
async def test_access_tokens_are_taken(authenticator, issuer, kind):
    assert await authenticator.authenticate(issuer.token(header={"typ": kind} if kind else {}))


@pytest.mark.parametrize(
    ("rules", "claims", "scopes"),
    [
        ({}, {"scope": "generate  sessions"}, {"generate", "sessions"}),
        ({}, {"scope": ["generate", 7, None]}, {"generate"}),
        ({}, {"scope": "ADMIN admin2 administrator"}, set()),
        ({}, {"scope": {"admin": True}}, set()),
        ({}, {"scope": None}, set()),
        ({"scope_claim": "realm_access.roles"}, {"realm_access": {"roles": ["admin", "user"]}}, {"admin"}),
        ({"scope_claim": "realm_access.roles"}, {"realm_access": "roles", "scope": "admin"}, set()),
        (
            {"scope_claim": "realm_access.roles", "scope_prefix": "gw:"},
            {"realm_access": {"roles": ["gw:audit"]}},
            {"audit"},
        ),
        ({"scope_prefix": "gw:"}, {"scope": "gw:generate admin gw:gw:audit"}, {"generate"}),
    ],
)
async def test_scopes_are_read_where_the_issuer_has_them(issuer, clock, rules, claims, scopes):
    authenticator = issuer.authenticator(clock, rules=ClaimRules(issuer="test", **rules))
    identity = await authenticator.authenticate(issuer.token(**claims))
    assert identity.principal.scopes == scopes
    await authenticator.close()


async def test_belief_never_outlives_the_token(issuer):
    clock = Clock()
    access = Access(authenticators=[issuer.authenticator(clock)], clock=clock)
    token = issuer.token(exp=AT_NOON + 10)
    assert (await access.principal(token)).id == "test:ada"
    clock.at = NOON + timedelta(seconds=39, milliseconds=999)
    assert (await access.principal(token)).id == "test:ada"
    clock.at = NOON + timedelta(seconds=40)
    with pytest.raises(InvalidCredentials):
        await access.principal(token)
    await access.close()


async def test_a_clock_that_is_set_back_prolongs_no_belief(issuer):
    clock = Clock()
    access = Access(authenticators=[issuer.authenticator(clock)], clock=clock)
    token = issuer.token(iat=AT_NOON)
    await access.principal(token)
    clock.at = NOON - timedelta(hours=1)
    with pytest.raises(InvalidCredentials):
        await access.principal(token)
    await access.close()


async def test_each_issuer_vouches_for_its_own(issuer, clock):
    secret = issuer.authenticator(
        clock,
        issuer="local",
        algorithms=("HS256",),
        keys=SharedSecret(SECRET),
        rules=ClaimRules(issuer="jwt", method="jwt"),
    )
    access = Access(authenticators=[secret, issuer.authenticator(clock)], clock=clock)
    assert (await access.principal(issuer.token())).id == "test:ada"
    ours = forged(issuer, {"alg": "HS256"}, OctKey.import_key(SECRET), iss="local")
    assert ((principal := await access.principal(ours)).id, principal.method) == ("jwt:ada", "jwt")
    with pytest.raises(InvalidCredentials):  # the secret is no key of the other issuer's
        await access.principal(forged(issuer, {"alg": "HS256"}, OctKey.import_key(SECRET)))
    with pytest.raises(InvalidCredentials):  # nor are its keys good for ours
        await access.principal(issuer.token(iss="local"))
    with pytest.raises(InvalidCredentials):
        await access.principal(issuer.token(iss="https://nobody.test"))
    await access.close()


@pytest.mark.parametrize(
    "token",
    [
        lambda issuer: forged(issuer, {"alg": "HS256"}, OctKey.import_key("t" * 32), iss="local"),
        lambda issuer: forged(issuer, {"alg": "HS512"}, OctKey.import_key("s" * 64), iss="local"),
        lambda issuer: forged(issuer, {"alg": "none"}, iss="local"),
        lambda issuer: forged(issuer, {"alg": "HS256"}, iss="local"),
        lambda issuer: forged(issuer, {"alg": "HS256"}, OctKey.import_key(SECRET), iss="local", exp=AT_NOON - 31),
    ],
    ids=["another secret", "another algorithm", "none", "no signature", "expired"],
)
async def test_a_secret_of_ones_own_is_as_strict(issuer, clock, token):
    authenticator = issuer.authenticator(clock, issuer="local", algorithms=("HS256",), keys=SharedSecret(SECRET))
    await refused(authenticator, token(issuer))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "jwk", "iss", "aud", "exp", "nbf", "iat", "sub", "cnf", "jti"]
)
parts = st.dictionaries(names, values, max_size=5).map(coded) | st.text(max_size=40) | st.just("")
malformed = st.text(max_size=200) | st.lists(parts, min_size=1, max_size=5).map(".".join)


@given(malformed)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_is_no_token_is_refused_and_breaks_nothing(authenticator, credential):
    assert authenticator.knows(credential) in (True, False)
    await refused(authenticator, credential)


@given(st.dictionaries(names, values, max_size=6), st.dictionaries(names, values, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_an_issuer_signs_is_believed_or_refused_and_breaks_nothing(authenticator, issuer, header, claims):
    header = {"alg": "RS256", "kid": "one"} | {name: it for name, it in header.items() if name not in ("alg", "kid")}
    text = f"{coded(header)}.{coded(issuer.claims() | claims)}"
    signed = f"{text}.{signature_of(text)}"
    try:
        identity = await authenticator.authenticate(signed)
    except InvalidCredentials:
        return
    assert identity.principal.id.startswith("test:")
    assert identity.until <= NOON + BELIEVED


def signature_of(text: str) -> str:
    signature = ONE.private_key.sign(text.encode(), PKCS1v15(), SHA256())
    return base64.urlsafe_b64encode(signature).decode().rstrip("=")
