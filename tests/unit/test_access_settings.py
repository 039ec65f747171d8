"""The tables `[access]` and `[[issuers]]`: what is refused before anybody is let in by mistake."""

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from pluggably.adapters.system import now
from pluggably.domain.access import Scope
from pluggably.domain.errors import InvalidCredentials
from pluggably.entrypoints.composition.access import access
from pluggably.entrypoints.settings import Settings, SettingsError, load_settings, require_loopback

LOGIN = {"name": "login", "issuer": "https://login.test", "audience": "gateway"}
OPAQUE = {"introspection_url": "https://login.test/introspect", "client_id": "us", "client_secret_env": "SECRET"}


def settings_of(tmp_path, *issuers, methods=("oidc",), **keys) -> Settings:
    lines = ["[access]", f"methods = {list(methods)!r}", *(f"{name} = {value!r}" for name, value in keys.items())]
    for issuer in issuers:
        lines += ["[[issuers]]", *(f"{name} = {value!r}" for name, value in issuer.items())]
    file = tmp_path / "p.toml"
    file.write_text("\n".join(lines))
    return load_settings(file, {})


@pytest.mark.parametrize(
    "url",
    ["https://login.test/realms/a", "https://login.test/", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost"],
)
def test_issuers_are_believed_over_https_or_on_this_machine(tmp_path, url):
    assert settings_of(tmp_path, LOGIN | {"issuer": url}).issuers[0].issuer == url


@pytest.mark.parametrize(
    "issuer",
    [
        {"issuer": "http://login.test"},
        {"issuer": "http://127.0.0.1.login.test"},
        {"issuer": "http://localhost.test"},
        {"issuer": "http://10.0.0.1"},
        {"issuer": "login.test"},
        {"issuer": "https://a:b@login.test"},
        {"jwks_url": "http://login.test/keys"},
        OPAQUE | {"introspection_url": "http://login.test/introspect"},
        {"introspection_url": "https://login.test/introspect"},
        {"name": "jwt"},
        {"name": "a:b"},
        {"name": ""},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"leeway_s": 301},
        {"client_secret_env": "the secret itself"},
    ],
    ids=str,
)
def test_an_issuer_that_nobody_should_believe_is_refused(tmp_path, issuer):
    with pytest.raises(SettingsError) as refused:
        settings_of(tmp_path, LOGIN | issuer)
    assert "the secret itself" not in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "login", "issuer": "https://other.test"},
        {"name": "other"},
        OPAQUE | {"name": "other", "issuer": "https://other.test"},
    ],
    ids=["one name", "one URL", "opaque tokens of both"],
)
def test_two_issuers_are_told_apart(tmp_path, other):
    with pytest.raises(SettingsError):
        settings_of(tmp_path, LOGIN | OPAQUE, LOGIN | other)


def test_a_secret_of_ones_own_is_no_issuers(tmp_path):
    with pytest.raises(SettingsError, match="same URL"):
        settings_of(tmp_path, LOGIN, methods=("oidc", "jwt"), secret_env="S", secret_issuer=LOGIN["issuer"])


@pytest.mark.parametrize(
    ("methods", "issuers", "said"),
    [
        ((), (LOGIN,), "add it, or take the issuers away"),
        (("oidc",), (), r"needs an \[\[issuers\]\] table"),
        (("api_key",), (LOGIN,), "add it, or take the issuers away"),
    ],
)
def test_tokens_are_taken_exactly_of_the_issuers_that_there_are(tmp_path, methods, issuers, said):
    with pytest.raises(SettingsError, match=said):
        settings_of(tmp_path, *issuers, methods=methods)


@pytest.mark.parametrize("secret", ["", "s" * 31])
def test_a_short_secret_is_none(tmp_path, monkeypatch, secret):
    monkeypatch.setenv("JWT_SECRET", secret)
    with pytest.raises(SettingsError):
        access(settings_of(tmp_path, methods=("jwt",), secret_env="JWT_SECRET"), None, None)


async def test_a_secret_of_ones_own_vouches_for_what_is_signed_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("JWT_SECRET", "s" * 32)
    who = access(settings_of(tmp_path, methods=("jwt",), secret_env="JWT_SECRET"), None, now)
    claims = {"iss": "local", "aud": "pluggably", "sub": "ada", "scope": "generate", "exp": now().timestamp() + 60}
    principal = await who.principal(jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("s" * 32)))
    assert (principal.id, principal.method, principal.scopes) == ("jwt:ada", "jwt", {Scope.GENERATE})
    with pytest.raises(InvalidCredentials):
        await who.principal(jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("t" * 32)))
    await who.close()


def test_strangers_are_served_once_they_show_who_they_are(tmp_path):
    require_loopback(
        load_settings(None, {"PLUGGABLY_SERVER__HOST": "0.0.0.0", "PLUGGABLY_ACCESS__METHODS": '["api_key"]'})
    )
    with pytest.raises(SettingsError, match=r"access\.methods"):
        require_loopback(load_settings(None, {"PLUGGABLY_SERVER__HOST": "0.0.0.0"}))


def test_the_key_that_commands_show_is_no_setting():
    assert load_settings(None, {"PLUGGABLY_API_KEY": "plk_x"}) == load_settings(None, {})
