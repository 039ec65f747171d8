"""The service with a certified identity provider: tokens from it open what their scopes are for."""

import httpx
import pytest

from tests.oidc_server import AUDIENCE, a_key, serving

from .service import Service

SETTINGS = """
[access]
methods = ["api_key", "oidc"]

[[issuers]]
name = "login"
issuer = "{issuer}"
audience = "{audience}"
introspection_url = "{issuer}/token/introspection"
client_id = "gateway"
client_secret_env = "GATEWAY_SECRET"
"""
ENVIRON = {"GATEWAY_SECRET": "secret of gateway"}


@pytest.fixture(scope="module")
def provider():
    with serving(a_key("first")) as provider:
        yield provider


@pytest.fixture(scope="module")
def service(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oidc")
    settings = SETTINGS.format(issuer=provider.issuer, audience=AUDIENCE)
    with Service(folder, folder / "models", settings, ENVIRON) as service:
        yield service


def get(service, path, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{service.url}/v1{path}", headers=headers)


def test_without_a_token_nothing_is_served(service):
    assert get(service, "/models").status_code == 401


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_a_token_opens_what_its_scopes_are_for(service, provider, kind):
    token = provider.token(kind)
    assert token.count(".") == (2 if kind == "jwt" else 0)
    me = get(service, "/me", token).json()
    assert (me["id"], me["method"], me["scopes"]) == ("login:app", "oidc", ["generate", "models:read"])
    assert get(service, "/models", token).status_code == 200
    refused = get(service, "/sessions", token)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    drawn = httpx.post(
        f"{service.url}/v1/generations/image",
        json={"model": "tiny-shapes", "input": "A red circle"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert drawn.status_code == 200, drawn.text


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_a_token_for_somebody_else_is_refused(service, provider, kind):
    refused = get(service, "/me", provider.token(kind, audience="https://other.test"))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


def test_a_token_that_was_taken_back_is_not_believed(service, provider):
    token = provider.token("opaque")
    provider.revoke(token)
    assert get(service, "/me", token).status_code == 401


def test_the_providers_keys_may_change_while_the_service_runs(tmp_path):
    old, new = a_key("old"), a_key("new")
    with serving(old) as provider:
        settings = SETTINGS.format(issuer=provider.issuer, audience=AUDIENCE)
        with Service(tmp_path, tmp_path / "models", settings, ENVIRON) as service:
            assert get(service, "/me", provider.token()).status_code == 200
            earlier = provider.token()
            provider.rotate(new, old)
            assert get(service, "/me", provider.token()).status_code == 200
            assert get(service, "/me", earlier).status_code == 200
