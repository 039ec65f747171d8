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

from .absence import NotFound, SessionErased
from .access import InsufficientScope, InvalidCredentials, ModelNotAllowed
from .conflict import (
    Conflict,
    DownloadStateConflict,
    IdempotencyInProgress,
    ModelBusy,
    NameTaken,
    SessionBusy,
    SessionClosed,
    SessionFull,
    SessionOnHold,
    StateTokenMismatch,
    StateTokenRefused,
    VersionConflict,
)
from .gateway import GatewayError, Source, Violation
from .generation import (
    GenerationFailed,
    Interrupted,
    ProviderAuthFailed,
    ProviderBadResponse,
    ProviderError,
    ProviderOverloaded,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
    RunnerBadOutput,
    RunnerCrashed,
    RunnerOutOfMemory,
    StreamInterrupted,
)
from .rejected import (
    ArtifactTooLarge,
    ContentPolicyViolation,
    ContextLengthExceeded,
    IdempotencyMismatch,
    InvalidRequest,
    ModelModalityMismatch,
    ModelNotFound,
    PictureInvalid,
    Rejected,
    RequestTooLarge,
    SignatureExpired,
    SignatureInvalid,
    StateTokenExpired,
    StateTokenInvalid,
    UnsafeFile,
    UnsupportedMediaType,
    UrlNotAllowed,
    UrlUnavailable,
)
from .sources import ChecksumMismatch, SourceChanged, SourceFailed, SourceForbidden, SourceUnreachable
from .unavailable import (
    Draining,
    InsufficientStorage,
    ModelLoading,
    Overloaded,
    RateLimited,
    StoreUnavailable,
    Unavailable,
)

__all__ = [
    "ArtifactTooLarge",
    "ChecksumMismatch",
    "Conflict",
    "ContentPolicyViolation",
    "ContextLengthExceeded",
    "DownloadStateConflict",
    "Draining",
    "GatewayError",
    "GenerationFailed",
    "IdempotencyInProgress",
    "IdempotencyMismatch",
    "InsufficientScope",
    "InsufficientStorage",
    "Interrupted",
    "InvalidCredentials",
    "InvalidRequest",
    "ModelBusy",
    "ModelLoading",
    "ModelModalityMismatch",
    "ModelNotAllowed",
    "ModelNotFound",
    "NameTaken",
    "NotFound",
    "Overloaded",
    "PictureInvalid",
    "ProviderAuthFailed",
    "ProviderBadResponse",
    "ProviderError",
    "ProviderOverloaded",
    "ProviderQuotaExhausted",
    "ProviderRateLimited",
    "ProviderTimeout",
    "ProviderUnavailable",
    "ProviderUnreachable",
    "RateLimited",
    "Rejected",
    "RequestTooLarge",
    "RunnerBadOutput",
    "RunnerCrashed",
    "RunnerOutOfMemory",
    "SessionBusy",
    "SessionClosed",
    "SessionErased",
    "SessionFull",
    "SessionOnHold",
    "SignatureExpired",
    "SignatureInvalid",
    "Source",
    "SourceChanged",
    "SourceFailed",
    "SourceForbidden",
    "SourceUnreachable",
    "StateTokenExpired",
    "StateTokenInvalid",
    "StateTokenMismatch",
    "StateTokenRefused",
    "StoreUnavailable",
    "StreamInterrupted",
    "Unavailable",
    "UnsafeFile",
    "UnsupportedMediaType",
    "UrlNotAllowed",
    "UrlUnavailable",
    "VersionConflict",
    "Violation",
]
