"""What can go wrong: the errors of each kind of operation, and what clients get of them."""

from typing import Annotated, Final, Literal

from attrs import frozen

from ....domain import errors
from ....domain.attempt import Attempt
from ....domain.parameters import Field
from ..browsers import OriginForbidden
from .operation import Errors

ANY: Final[Errors] = (errors.GatewayError, errors.RequestTooLarge, OriginForbidden)
DRAINED: Final[Errors] = (errors.Draining,)
"""Of every operation but those that say whether the service is well."""

PROTECTED: Final[Errors] = (errors.InvalidCredentials,)
SCOPED: Final[Errors] = (errors.InsufficientScope,)
CHECKED: Final[Errors] = (errors.InvalidRequest,)
SENT: Final[Errors] = (errors.UnsupportedMediaType,)

STORED: Final[Errors] = (errors.StoreUnavailable,)
SESSION_READ: Final[Errors] = (errors.NotFound, errors.SessionErased, *STORED)
SESSION_CHANGED: Final[Errors] = (*SESSION_READ, errors.SessionClosed, errors.VersionConflict, errors.SessionFull)
MODEL_CHANGED: Final[Errors] = (errors.NotFound, errors.NameTaken, errors.VersionConflict, *STORED)

PROVIDER: Final[Errors] = (
    errors.ProviderAuthFailed,
    errors.ProviderQuotaExhausted,
    errors.ProviderRateLimited,
    errors.ProviderError,
    errors.ProviderUnavailable,
    errors.ProviderOverloaded,
    errors.ProviderUnreachable,
    errors.ProviderTimeout,
    errors.ProviderBadResponse,
)
RUNNER: Final[Errors] = (
    errors.RunnerCrashed,
    errors.RunnerBadOutput,
    errors.RunnerOutOfMemory,
    errors.ModelLoading,
    errors.Overloaded,
)
GENERATING: Final[Errors] = (
    errors.ModelNotFound,
    errors.ModelModalityMismatch,
    errors.ModelNotAllowed,
    errors.ContextLengthExceeded,
    errors.ContentPolicyViolation,
    errors.PictureInvalid,
    errors.ArtifactTooLarge,
    errors.UrlNotAllowed,
    errors.UrlUnavailable,
    errors.SessionBusy,
    errors.StateTokenInvalid,
    errors.StateTokenExpired,
    errors.StateTokenMismatch,
    errors.StateTokenRefused,
    errors.IdempotencyMismatch,
    errors.IdempotencyInProgress,
    errors.RateLimited,
    errors.InsufficientStorage,
    errors.StreamInterrupted,
    *SESSION_CHANGED,
    *PROVIDER,
    *RUNNER,
)


@frozen(kw_only=True)
class Violation:
    """One thing that is wrong with a request."""

    pointer: Annotated[str, Field("Where: a JSON pointer into the body, or one that begins with `/query`, `/headers`.")]
    message: str
    allowed: Annotated[tuple[str, ...], Field("What may stand there.")] = ()


@frozen(kw_only=True)
class Problem:
    """What went wrong (RFC 9457)."""

    type: Annotated[str, Field("`urn:pluggably:problem:` and the code.", format="uri")]
    title: str
    status: int
    detail: Annotated[str, Field("A sentence for people.")]
    instance: Annotated[str, Field("The path of the request.")]
    code: Annotated[str, Field("What went wrong, for programs: these are stable.")]
    source: Annotated[Literal["client", "gateway", "provider", "runner"], Field("Where.")]
    retryable: Annotated[bool, Field("Whether the same request may succeed later.")]
    request_id: str
    retry_after_ms: Annotated[int, Field("How long to wait.", 0, unit="milliseconds")] = 0
    attempts: Annotated[tuple[Attempt, ...], Field("What was tried.")] = ()
    errors: Annotated[tuple[Violation, ...], Field("All that is wrong with the request.")] = ()


@frozen(kw_only=True)
class OpenAIError:
    """What went wrong."""

    message: str
    type: str
    param: Annotated[str | None, Field("The field that is wrong, if it is one.")]
    code: Annotated[str, Field("The same codes as on the other routes.")]


@frozen(kw_only=True)
class OpenAIProblem:
    """OpenAI's error object."""

    error: OpenAIError
