import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.openai.errors import to_error
from pluggably.adapters.providers.transport.failures import retry_after_s
from pluggably.domain import errors


def body(**error) -> bytes:
    return json.dumps({"error": {"message": "key sk-abc at /srv/secret"} | error}).encode()


def mapped(status: int, content: bytes, **headers: str) -> errors.GatewayError:
    return to_error(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, content, provider="acme"
    )


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (400, body(type="invalid_request_error"), errors.InvalidRequest),
        (400, b"", errors.InvalidRequest),
        (400, body(code="context_length_exceeded"), errors.ContextLengthExceeded),
        (400, body(code=400, type="exceed_context_size_error"), errors.ContextLengthExceeded),
        (400, body(code=400, type="BadRequestError", param="input_tokens"), errors.ContextLengthExceeded),
        (400, body(code="content_policy_violation"), errors.ContentPolicyViolation),
        (400, body(code="content_filter"), errors.ContentPolicyViolation),
        (401, body(code="invalid_api_key"), errors.ProviderAuthFailed),
        (402, b"", errors.ProviderQuotaExhausted),
        (403, b"<html>", errors.ProviderAuthFailed),
        (404, body(code="model_not_found"), errors.ModelNotFound),
        (404, body(type="NotFoundError", code=404), errors.ModelNotFound),
        (404, b'{"object":"error","message":"m","type":"NotFoundError","code":404}', errors.ModelNotFound),
        (404, b'{"detail":"Not Found"}', errors.ProviderBadResponse),
        (404, b"<html>", errors.ProviderBadResponse),
        (408, b"", errors.ProviderTimeout),
        (409, b"", errors.ProviderUnavailable),
        (413, b"", errors.RequestTooLarge),
        (418, b"", errors.ProviderBadResponse),
        (422, b'{"detail":[{"loc":["body"]}]}', errors.InvalidRequest),
        (429, body(code="rate_limit_exceeded"), errors.ProviderRateLimited),
        (429, b"slow down", errors.ProviderRateLimited),
        (429, body(type="insufficient_quota", code="insufficient_quota"), errors.ProviderQuotaExhausted),
        (500, body(), errors.ProviderError),
        (502, b"<html>", errors.ProviderUnavailable),
        (503, b"", errors.ProviderUnavailable),
        (504, b"", errors.ProviderTimeout),
        (520, b"", errors.ProviderError),
        (529, body(type="overloaded_error"), errors.ProviderOverloaded),
        (302, b"", errors.ProviderBadResponse),
    ],
)
def test_the_code_decides_and_then_the_status(status, content, error):
    assert type(mapped(status, content)) is error


def test_the_message_names_the_provider_and_its_code_and_nothing_that_it_wrote():
    assert str(mapped(429, body(code="rate_limit_exceeded"))) == (
        "The provider limits the rate of requests (provider 'acme', status 429, rate_limit_exceeded)."
    )


@given(st.text(), st.text(), st.text())
def test_prose_of_the_provider_is_never_passed_on(message, code, param):
    secret = "/srv/sk-SECRET"
    error = mapped(400, body(message=message + secret, code=code + secret, type=secret, param=param + secret))
    assert secret not in f"{error!s}{getattr(error, 'violations', ())}"


def test_a_refused_parameter_is_pointed_at():
    error = mapped(400, body(type="invalid_request_error", param="temperature"))
    assert [violation.pointer for violation in error.violations] == ["/parameters/temperature"]
    assert mapped(400, body(param="messages[0].content")).violations[0].message.endswith("messages[0].content")


NOON = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:30 GMT", "date": NOON}, 90),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", "date": NOON}, 0),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:30 GMT"}, None),
        ({"retry-after": "soon", "date": NOON}, None),
        ({"retry-after-ms": "nan?"}, None),
        ({"retry-after-ms": "-5"}, 0),
        ({"retry-after-ms": "inf"}, 86_400),
    ],
)
def test_the_wait_that_the_provider_asks_for_is_kept(headers, seconds):
    assert retry_after_s(headers) == seconds
    assert to_error(429, headers, b"", provider="acme").retry_after_s == seconds
