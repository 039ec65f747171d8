"""The request cannot work as it is: change it."""

from collections.abc import Iterable
from typing import ClassVar

from attrs import define

from .gateway import GatewayError, Source, Violation


class Rejected(GatewayError):
    """The request cannot work as it is."""

    source: ClassVar[Source] = "client"


@define(eq=False, kw_only=True)
class InvalidRequest(Rejected):
    """The request is not valid; `violations` has everything that is wrong with it."""

    code = "invalid_request"
    violations: tuple[Violation, ...] = ()

    @classmethod
    def of(cls, violations: Iterable[Violation]) -> "InvalidRequest":
        """The error for several violations, whose detail says all of them."""
        found = tuple(violations)
        said = "; ".join(f"{it.pointer or 'body'}: {it.message}" for it in found)
        return cls(detail=f"{said}.", violations=found)

    @classmethod
    def at(cls, pointer: str, message: str, allowed: tuple[str, ...] | None = None) -> "InvalidRequest":
        """The error for exactly one violation."""
        return cls(
            detail=f"{pointer or 'body'}: {message}",
            violations=(Violation(pointer=pointer, message=message, allowed=allowed),),
        )


class RequestTooLarge(Rejected):
    """The request body is larger than this service accepts."""

    code = "request_too_large"


@define(eq=False, kw_only=True)
class ModelNotFound(Rejected):
    """No model answers to that name; `close_matches` are names that do."""

    code = "model_not_found"
    falls_back = True
    selector: str = ""
    close_matches: tuple[str, ...] = ()


class ModelModalityMismatch(Rejected):
    """The model exists, but it generates something else."""

    code = "model_modality_mismatch"


class IdempotencyMismatch(Rejected):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_mismatch"


class StateTokenInvalid(Rejected):
    """The state token is none, or not of this session."""

    code = "state_token_invalid"


class StateTokenExpired(Rejected):
    """The state token cannot be used any more."""

    code = "state_token_expired"


class ContextLengthExceeded(Rejected):
    """The conversation is longer than the model's context."""

    code = "context_length_exceeded"


class ContentPolicyViolation(Rejected):
    """The provider refused the content."""

    code = "content_policy_violation"
    source = "provider"


class UnsupportedMediaType(Rejected):
    """The body is not of a media type that this route takes."""

    code = "unsupported_media_type"


class ArtifactTooLarge(Rejected):
    """The file has more bytes or pixels than this service accepts."""

    code = "artifact_too_large"


class PictureInvalid(Rejected):
    """The file is not the picture that it is said to be."""

    code = "picture_invalid"


class UrlNotAllowed(Rejected):
    """The URL is not one that this service fetches from."""

    code = "url_not_allowed"


class UrlUnavailable(Rejected):
    """What the URL names could not be fetched."""

    code = "url_unavailable"


class UnsafeFile(Rejected):
    """The file is of a kind that is not brought here."""

    code = "unsafe_file"


class SignatureInvalid(Rejected):
    """The URL is not as this service signed it."""

    code = "signature_invalid"


class SignatureExpired(Rejected):
    """The URL is not good any more: ask for a new one."""

    code = "signature_expired"
