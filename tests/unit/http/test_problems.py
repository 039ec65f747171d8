"""Errors as clients see them."""

import json
from datetime import UTC, datetime

import pytest

from pluggably.domain.errors import (
    Conflict,
    GatewayError,
    GenerationFailed,
    InvalidRequest,
    Overloaded,
    ProviderAuthFailed,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    Rejected,
    SessionClosed,
    SourceFailed,
    Unavailable,
    Violation,
)
from pluggably.entrypoints.http.problems import STATUSES, internal_error, problem_of

GROUPS = {Rejected, Conflict, Unavailable, SourceFailed, GenerationFailed}


def tree(cls: type) -> list[type]:
    return [cls, *(inner for child in cls.__subclasses__() for inner in tree(child))]


def native(error: GatewayError) -> dict:
    return json.loads(problem_of(error, "/v1/sessions", "req_1").body)


def openai(error: GatewayError) -> dict:
    return json.loads(problem_of(error, "/v1/chat/completions", "req_1").body)["error"]


@pytest.mark.parametrize("cls", [it for it in tree(GatewayError) if ".domain.errors." in it.__module__])
def test_every_error_has_a_status_of_its_own(cls):
    if cls not in GROUPS | {GatewayError}:
        assert cls.code != GatewayError.code
    assert cls.code in STATUSES


def test_a_problem_has_every_field_of_the_contract():
    violation = Violation(pointer="/a", message="is wrong", allowed=("b",))
    problem = problem_of(InvalidRequest(detail="No.", violations=(violation,)), "/v1/x", "req_1")
    assert (problem.status, problem.content_type) == (400, "application/problem+json")
    assert json.loads(problem.body) == {
        "type": "urn:pluggably:problem:invalid_request",
        "title": "Invalid request",
        "status": 400,
        "detail": "No.",
        "instance": "/v1/x",
        "code": "invalid_request",
        "source": "client",
        "retryable": False,
        "request_id": "req_1",
        "errors": [{"pointer": "/a", "message": "is wrong", "allowed": ["b"]}],
    }


def test_when_to_come_back_is_said_in_the_body_and_rounded_up_in_the_header():
    problem = problem_of(Overloaded(retry_after_s=1.2), "/v1/x", "req_1")
    assert (problem.status, problem.headers["retry-after"]) == (503, "2")
    assert json.loads(problem.body)["retry_after_ms"] == 1200


@pytest.mark.parametrize(
    "error", [ProviderAuthFailed(), ProviderQuotaExhausted(), SessionClosed(closed_at=datetime.now(UTC))]
)
def test_clients_are_told_not_to_retry_what_cannot_succeed(error):
    assert problem_of(error, "/v1/chat/completions", "req_1").headers["x-should-retry"] == "false"


def test_clients_may_retry_what_can_succeed():
    assert "x-should-retry" not in problem_of(ProviderRateLimited(), "/v1/chat/completions", "req_1").headers


def test_an_unexpected_error_tells_nothing_but_the_request_id():
    problem = internal_error("/v1/x", "req_1")
    assert problem.status == 500
    assert native(GatewayError())["code"] == "internal_error"
    assert "req_1" in json.loads(problem.body)["detail"]


def test_openai_errors_name_the_parameter_in_openais_way():
    error = InvalidRequest.at("/parameters/top_k", "is not known")
    assert openai(error) == {
        "message": "/parameters/top_k: is not known",
        "type": "invalid_request_error",
        "param": "top_k",
        "code": "invalid_request",
    }
    assert openai(InvalidRequest.at("/messages/0/role", "no"))["param"] == "messages.0.role"


def test_openai_errors_have_openais_types():
    assert openai(ProviderRateLimited())["type"] == "rate_limit_error"
    assert openai(Overloaded())["type"] == "server_error"
