import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.anthropic.errors import to_error
from pluggably.domain import errors

SECRET = "key sk-ant-abc at /srv/secret"


def body(kind: str, message: str = SECRET, **details) -> bytes:
    error = {"type": kind, "message": message} | ({"details": details} if details else {})
    return json.dumps({"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}).encode()


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (400, body("invalid_request_error"), errors.InvalidRequest),
        (400, b"", errors.InvalidRequest),
        (400, body("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), errors.ContextLengthExceeded),
        (400, body("invalid_request_error", "Your credit balance is too low to …"), errors.ProviderQuotaExhausted),
        (
            400,
            body("invalid_request_error", "You have reached your specified API usage limits. You …"),
            errors.ProviderQuotaExhausted,
        ),
        (400, body("invalid_request_error", error_code="organization_on_hold"), errors.ProviderAuthFailed),
        (400, body("invalid_request_error", error_code="something_new"), errors.InvalidRequest),
        (401, body("authentication_error"), errors.ProviderAuthFailed),
        (402, body("billing_error"), errors.ProviderQuotaExhausted),
        (403, body("permission_error"), errors.ProviderAuthFailed),
        (404, body("not_found_error"), errors.ModelNotFound),
        (404, b"<html>", errors.ProviderBadResponse),
        (413, body("request_too_large"), errors.RequestTooLarge),
        (413, b"<html>", errors.RequestTooLarge),
        (429, body("rate_limit_error"), errors.ProviderRateLimited),
        (429, body("rate_limit_error", error_code="enforced_spend_limit_reached"), errors.ProviderQuotaExhausted),
        (429, body("rate_limit_error", error_code="ramp_limit_exceeded"), errors.ProviderRateLimited),
        (500, body("api_error"), errors.ProviderError),
        (502, b"<html>", errors.ProviderUnavailable),
        (503, b"", errors.ProviderUnavailable),
        (504, body("timeout_error"), errors.ProviderTimeout),
        (520, b"", errors.ProviderError),
        (529, body("overloaded_error"), errors.ProviderOverloaded),
        (529, b"", errors.ProviderOverloaded),
        (302, b"", errors.ProviderBadResponse),
        (418, b'{"error":"teapot"}', errors.ProviderBadResponse),
        (400, b'{"error":{"code":400,"type":"exceed_context_size_error"}}', errors.ContextLengthExceeded),
        (400, b'{"error":{"type":"invalid_request_error","details":["odd"]}}', errors.InvalidRequest),
    ],
)
def test_the_code_decides_then_the_type_and_then_the_status(status, content, error):
    assert type(to_error(status, {}, content, provider="acme")) is error


def test_the_message_names_the_provider_and_its_code_and_nothing_that_it_wrote():
    assert str(to_error(429, {}, body("rate_limit_error"), provider="acme")) == (
        "The provider limits the rate of requests (provider 'acme', status 429, rate_limit_error)."
    )


@given(st.text(), st.text())
def test_prose_of_the_provider_is_never_passed_on(message, kind):
    error = to_error(400, {}, body(kind + SECRET, message + SECRET, error_code=SECRET), provider="acme")
    assert SECRET not in f"{error!s}{getattr(error, 'violations', ())}"


@pytest.mark.parametrize(
    ("message", "pointers"),
    [
        ("temperature: Input should be less than or equal to 1", ["/parameters/temperature"]),
        ("tools.0.custom.input_schema: JSON schema is invalid", ["/parameters/tools"]),
        ("messages.3: `tool_use` ids were found without `tool_result` blocks", ["/input"]),
        ("Something else", []),
    ],
)
def test_the_refused_field_is_pointed_at(message, pointers):
    error = to_error(400, {}, body("invalid_request_error", message), provider="acme")
    assert [violation.pointer for violation in error.violations] == pointers


def test_the_wait_that_the_provider_asks_for_is_kept():
    assert to_error(429, {"retry-after": "7"}, body("rate_limit_error"), provider="acme").retry_after_s == 7
