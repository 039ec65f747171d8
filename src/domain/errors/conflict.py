"""The thing is not in the state that the request needs."""

from datetime import datetime
from typing import ClassVar

from attrs import define

from .gateway import GatewayError, Source


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
