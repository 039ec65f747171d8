"""Nobody knows who the caller is, or they may not do this."""

from .gateway import GatewayError


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
