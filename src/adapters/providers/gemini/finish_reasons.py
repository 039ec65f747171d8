"""Why an answer of Gemini's ended, or was not begun, in our words: pure.

https://ai.google.dev/api/generate-content, as of November 2026.
"""

from typing import Final

from ....domain.errors import (
    ContentPolicyViolation,
    GatewayError,
    InvalidRequest,
    ProviderAuthFailed,
    ProviderBadResponse,
    ProviderError,
    StateTokenRefused,
)
from ....domain.generation import FinishReason, GenerationRequest
from ..transport.failures import told

WHOLE: Final = {"STOP": FinishReason.STOP, "MAX_TOKENS": FinishReason.LENGTH}

REFUSED: Final = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "ESCALATION",
        "MODEL_ARMOR",
    }
)
"""Why an answer ended, or was not begun, where that is the provider's policy."""

FAILED: Final = frozenset(
    {
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "IMAGE_OTHER",
        "NO_IMAGE",
    }
)
"""Why an answer ended, where the model did something wrong: it may do better when asked again."""


def finish_reason_of(reason: str, request: GenerationRequest, *, said: bool) -> FinishReason:
    """Why the output ended. What the provider refuses after it has `said` something is cut off there.

    Raises:
        ContentPolicyViolation: it refused before it said anything.
        StateTokenRefused, InvalidRequest: the signatures of earlier answers were wanted.
        ProviderError: the model did something wrong.
        ProviderAuthFailed: the operator's account is limited.
        ProviderBadResponse: that is no reason that is known.
    """
    provider = request.model.provider
    if reason in WHOLE:
        return WHOLE[reason]
    if reason in REFUSED:
        if said:
            return FinishReason.CONTENT_FILTER
        raise refusal(reason, provider)
    if reason == "MISSING_THOUGHT_SIGNATURE":
        if request.state:
            raise StateTokenRefused(detail=_told(StateTokenRefused, provider, reason))
        raise InvalidRequest.at("/state_token", "is needed: this model goes on only from its own state", ("auto",))
    if reason == "PUP_LIMITED_DISABLED":
        raise ProviderAuthFailed(detail=_told(ProviderAuthFailed, provider, reason))
    kind = ProviderError if reason in FAILED else ProviderBadResponse
    raise kind(detail=_told(kind, provider, reason))


def refusal(reason: str, provider: str) -> ContentPolicyViolation:
    """The error for a prompt, or an answer, that the provider's policy refuses."""
    return ContentPolicyViolation(detail=_told(ContentPolicyViolation, provider, reason))


def _told(kind: type[GatewayError], provider: str, reason: str) -> str:
    return told(kind, provider=provider, status=200, code=reason.lower())
