import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.gemini.errors import to_error
from pluggably.domain import errors

from ...integration.providers.gemini_server import error

SECRET = "key AIzaSy at /srv/secret"
INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def body(code: int, status: str, *details: dict, message: str = SECRET) -> bytes:
    return json.dumps(error(code, status, *details, message=message)).encode()


def quota(name: str) -> dict:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


def reason(name: str) -> dict:
    return {"@type": INFO, "reason": name, "domain": "googleapis.com", "metadata": {"service": "x"}}


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, body(400, "INVALID_ARGUMENT"), errors.InvalidRequest),
        (400, body(400, "INVALID_ARGUMENT", reason("API_KEY_INVALID")), errors.ProviderAuthFailed),
        (
            400,
            body(400, "INVALID_ARGUMENT", message="The input token count (9) exceeds the maximum number of …"),
            errors.ContextLengthExceeded,
        ),
        (400, body(400, "INVALID_ARGUMENT", message="Corrupted thought signature."), errors.StateTokenRefused),
        (400, body(400, "FAILED_PRECONDITION"), errors.ProviderAuthFailed),
        (400, b"", errors.InvalidRequest),
        (401, body(401, "UNAUTHENTICATED"), errors.ProviderAuthFailed),
        (403, body(403, "PERMISSION_DENIED"), errors.ProviderAuthFailed),
        (403, body(403, "PERMISSION_DENIED", reason("BILLING_DISABLED")), errors.ProviderQuotaExhausted),
        (404, body(404, "NOT_FOUND"), errors.ModelNotFound),
        (404, b"<html>", errors.ProviderBadResponse),
        (413, b"", errors.RequestTooLarge),
        (429, body(429, "RESOURCE_EXHAUSTED"), errors.ProviderRateLimited),
        (429, body(429, "RESOURCE_EXHAUSTED", quota("RequestsPerMinutePerProject")), errors.ProviderRateLimited),
        (429, body(429, "RESOURCE_EXHAUSTED", quota("RequestsPerDayPerProject")), errors.ProviderQuotaExhausted),
        (499, body(499, "CANCELLED"), errors.ProviderError),
        (500, body(500, "INTERNAL"), errors.ProviderError),
        (503, body(503, "UNAVAILABLE"), errors.ProviderUnavailable),
        (504, body(504, "DEADLINE_EXCEEDED"), errors.ProviderTimeout),
        (502, b"<html>", errors.ProviderUnavailable),
        (529, b"", errors.ProviderOverloaded),
        (302, b"", errors.ProviderBadResponse),
        (400, b"[" + body(400, "INVALID_ARGUMENT") + b"]", errors.InvalidRequest),
        (429, b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":"odd"}}', errors.ProviderRateLimited),
    ],
)
def test_the_reason_decides_then_the_name_and_then_the_status(status, content, kind):
    assert type(to_error(status, {}, content, provider="acme")) is kind


def test_the_message_names_the_provider_and_its_reason_and_nothing_that_it_wrote():
    assert str(to_error(400, {}, body(400, "INVALID_ARGUMENT", reason("API_KEY_INVALID")), provider="acme")) == (
        "The provider refused the gateway's own credentials; the operator has to mend this "
        "(provider 'acme', status 400, api_key_invalid)."
    )


@given(st.text(), st.text())
def test_prose_of_the_provider_is_never_passed_on(message, name):
    details = [reason(name + SECRET), {"fieldViolations": [{"field": SECRET, "description": SECRET}]}]
    failure = to_error(400, {}, body(400, name + SECRET, *details, message=message + SECRET), provider="acme")
    assert SECRET not in f"{failure!s}{getattr(failure, 'violations', ())}"


def test_the_refused_fields_are_pointed_at():
    fields = ["generation_config.temperature", "contents[0].parts[1]", "contents[1]", "unheard_of"]
    details = {"fieldViolations": [{"field": field, "description": "m"} for field in fields]}
    failure = to_error(400, {}, body(400, "INVALID_ARGUMENT", details), provider="acme")
    assert [violation.pointer for violation in failure.violations] == ["/parameters/temperature", "/input"]


@pytest.mark.parametrize(
    ("headers", "delay", "seconds"),
    [({}, None, None), ({}, "34.5s", 34.5), ({"retry-after": "7"}, "34s", 7), ({}, "soon", None), ({}, "-1s", None)],
)
def test_the_wait_that_the_provider_asks_for_is_kept(headers, delay, seconds):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}] if delay else []
    assert to_error(429, headers, body(429, "RESOURCE_EXHAUSTED", *details), provider="acme").retry_after_s == seconds
