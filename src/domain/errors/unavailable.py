"""The request is fine: try it later."""

from .gateway import GatewayError


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
