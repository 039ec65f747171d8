"""Everything that can go wrong, as one tree; the second level says what the caller can do about it.

GatewayError
├── Rejected                    the request cannot work as it is: change it
│   ├── InvalidRequest
│   ├── RequestTooLarge
│   ├── ModelNotFound
│   ├── ModelModalityMismatch
│   ├── IdempotencyMismatch
│   ├── StateTokenInvalid
│   ├── StateTokenExpired
│   ├── ContextLengthExceeded
│   ├── ContentPolicyViolation
│   ├── UnsupportedMediaType
│   ├── ArtifactTooLarge
│   ├── PictureInvalid
│   ├── UrlNotAllowed
│   ├── UrlUnavailable
│   ├── UnsafeFile
│   ├── SignatureInvalid
│   └── SignatureExpired
├── InvalidCredentials          nobody knows who the caller is
├── InsufficientScope           the caller may not do this
│   └── ModelNotAllowed
├── NotFound                    no such thing here, or not yours
│   └── SessionErased
├── Conflict                    the thing is not in the state that the request needs
│   ├── SessionClosed
│   ├── SessionBusy
│   ├── SessionFull
│   ├── SessionOnHold
│   ├── StateTokenMismatch
│   ├── StateTokenRefused
│   ├── NameTaken
│   ├── ModelBusy
│   ├── IdempotencyInProgress
│   ├── DownloadStateConflict
│   └── VersionConflict
├── Unavailable                 the request is fine: try it later
│   ├── RateLimited
│   ├── Overloaded
│   ├── ModelLoading
│   ├── Draining
│   ├── InsufficientStorage
│   └── StoreUnavailable
├── SourceFailed                where a model should come from does not give it
│   ├── SourceUnreachable
│   ├── SourceForbidden
│   ├── SourceChanged
│   └── ChecksumMismatch
└── GenerationFailed            a provider or a runner failed while it worked on the request
    ├── ProviderAuthFailed
    ├── ProviderQuotaExhausted
    ├── ProviderRateLimited
    ├── ProviderError
    ├── ProviderUnavailable
    ├── ProviderOverloaded
    ├── ProviderUnreachable
    ├── ProviderTimeout
    ├── ProviderBadResponse
    ├── StreamInterrupted
    ├── Interrupted
    ├── RunnerBadOutput
    ├── RunnerCrashed
    └── RunnerOutOfMemory

`code` is stable and part of the API; the HTTP driver maps it to a status. `retryable`: the same request may succeed
when sent again. `falls_back`: another candidate for the same model may be tried. A message never holds a path, a
credential or an upstream's body.
"""

from datetime import datetime
from typing import ClassVar, Literal

from attrs import define, field, frozen

from .attempt import Attempt

Source = Literal["client", "gateway", "provider", "runner"]


@frozen(kw_only=True)
class Violation:
    """One thing wrong with a request: where (a JSON pointer, RFC 6901), what, and what is allowed there."""

    pointer: str
    message: str
    allowed: tuple[str, ...] | None = None


@define(eq=False, kw_only=True)
class GatewayError(Exception):
    """The gateway could not do this. `attempts` are what was tried of a generation."""

    code: ClassVar[str] = "internal_error"
    source: ClassVar[Source] = "gateway"
    retryable: ClassVar[bool] = False
    falls_back: ClassVar[bool] = False

    detail: str = field(default="")
    retry_after_s: float | None = field(default=None)
    attempts: tuple[Attempt, ...] = field(default=())

    def __str__(self) -> str:
        """The sentence a user reads: the detail, or what the class says of itself."""
        return self.detail or (type(self).__doc__ or "").strip().partition("\n")[0]


class Rejected(GatewayError):
    """The request cannot work as it is."""

    source: ClassVar[Source] = "client"


@define(eq=False, kw_only=True)
class InvalidRequest(Rejected):
    """The request is not valid; `violations` has everything that is wrong with it."""

    code = "invalid_request"
    violations: tuple[Violation, ...] = ()

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


class InvalidCredentials(GatewayError):
    """The request has no credentials, or none that are good."""

    code = "invalid_credentials"
    source = "client"


class InsufficientScope(GatewayError):
    """The caller may not do this."""

    code = "insufficient_scope"
    source = "client"


class ModelNotAllowed(InsufficientScope):
    """The caller may not ask this model."""

    code = "model_not_allowed"


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


@define(eq=False, kw_only=True)
class NotFound(GatewayError):
    """There is no such thing here."""

    code = "not_found"
    source = "client"

    @classmethod
    def of(cls, kind: str, name: str) -> "NotFound":
        """The error for a thing of `kind` that is not there, or that belongs to somebody else."""
        return cls(detail=f"There is no {kind} {name!r}.")


@define(eq=False, kw_only=True)
class SessionErased(NotFound):
    """The session was erased: its content is gone. `owner` is who may know that it was there."""

    code = "session_erased"
    owner: str = ""


class Conflict(GatewayError):
    """The thing is not in the state that the request needs."""

    source: ClassVar[Source] = "client"


@define(eq=False, kw_only=True)
class SessionClosed(Conflict):
    """The session no longer takes turns."""

    code = "session_closed"
    closed_at: datetime | None = None


class SessionBusy(Conflict):
    """Another turn of the session has not ended."""

    code = "session_busy"
    retryable = True


class SessionFull(Conflict):
    """The session has as many events as a session may have."""

    code = "session_full"


class SessionOnHold(Conflict):
    """The session must not be erased: somebody has to keep it."""

    code = "session_on_hold"


class StateTokenMismatch(Conflict):
    """The state token is one of another model."""

    code = "state_token_mismatch"


class StateTokenRefused(Conflict):
    """The backend does not go on from the state that the token stands for; it may have forgotten it."""

    code = "state_token_refused"
    source = "provider"


class NameTaken(Conflict):
    """Another model has that name."""

    code = "name_taken"


class ModelBusy(Conflict):
    """The model is in use: it works on requests, loads, or is being fetched."""

    code = "model_busy"
    retryable = True


class IdempotencyInProgress(Conflict):
    """A request with the same Idempotency-Key has not ended: send it again later for its answer."""

    code = "idempotency_in_progress"
    retryable = True


class DownloadStateConflict(Conflict):
    """The download is not in a state in which this can be done to it."""

    code = "download_state_conflict"


class VersionConflict(Conflict):
    """The thing has moved on since the version that the request names."""

    code = "version_conflict"


class Unavailable(GatewayError):
    """The request is fine, but it cannot be served now."""

    retryable = True


class RateLimited(Unavailable):
    """More was asked than the credentials allow."""

    code = "rate_limited"
    source = "client"


class Overloaded(Unavailable):
    """The queue for the model is full."""

    code = "overloaded"
    source = "runner"
    falls_back = True


class ModelLoading(Unavailable):
    """The model is not ready, and cannot be waited for."""

    code = "model_loading"
    source = "runner"
    falls_back = True


class Draining(Unavailable):
    """The service is shutting down."""

    code = "draining"


class InsufficientStorage(Unavailable):
    """There is not enough space for this on the disk."""

    code = "insufficient_storage"
    retryable = False


class StoreUnavailable(Unavailable):
    """The session database cannot be reached, or did not answer in time."""

    code = "store_unavailable"


class SourceFailed(GatewayError):
    """Where a model should come from does not give it."""

    source: ClassVar[Source] = "provider"


class SourceUnreachable(SourceFailed):
    """The source could not be reached, or broke off again and again."""

    code = "source_unreachable"
    retryable = True


class SourceForbidden(SourceFailed):
    """The source does not give this to us."""

    code = "source_forbidden"


class SourceChanged(SourceFailed):
    """What the source gives changed again and again while it was fetched."""

    code = "source_changed"
    retryable = True


class ChecksumMismatch(SourceFailed):
    """What came is not what was promised."""

    code = "checksum_mismatch"


class GenerationFailed(GatewayError):
    """A provider or a runner failed while it worked on the request."""

    source: ClassVar[Source] = "provider"
    retryable = True
    falls_back = True


class ProviderAuthFailed(GenerationFailed):
    """The provider refused the gateway's own credentials; the operator has to mend this."""

    code = "provider_auth_failed"
    retryable = False


class ProviderQuotaExhausted(GenerationFailed):
    """The gateway's quota at the provider is used up."""

    code = "provider_quota_exhausted"
    retryable = False


class ProviderRateLimited(GenerationFailed):
    """The provider limits the rate of requests."""

    code = "provider_rate_limited"


class ProviderError(GenerationFailed):
    """The provider failed."""

    code = "provider_error"


class ProviderUnavailable(GenerationFailed):
    """The provider is not available."""

    code = "provider_unavailable"


class ProviderOverloaded(GenerationFailed):
    """The provider is overloaded."""

    code = "provider_overloaded"


class ProviderUnreachable(GenerationFailed):
    """No connection to the provider could be made."""

    code = "provider_unreachable"


class ProviderTimeout(GenerationFailed):
    """The provider did not answer in time."""

    code = "provider_timeout"


class ProviderBadResponse(GenerationFailed):
    """The provider's answer is not what its API promises."""

    code = "provider_bad_response"


class StreamInterrupted(GenerationFailed):
    """The output ended before it was complete."""

    code = "stream_interrupted"
    retryable = False
    falls_back = False


class Interrupted(GenerationFailed):
    """The service stopped while it worked on this; it was not begun again."""

    code = "interrupted"
    source = "gateway"
    falls_back = False


class RunnerBadOutput(GenerationFailed):
    """What the local model made is nothing that anybody could use; another seed may help."""

    code = "runner_bad_output"
    source = "runner"


class RunnerCrashed(GenerationFailed):
    """The local model's process ended while it worked; the next request starts it again."""

    code = "runner_crashed"
    source = "runner"


class RunnerOutOfMemory(GenerationFailed):
    """There is not enough memory for the local model."""

    code = "runner_out_of_memory"
    source = "runner"
