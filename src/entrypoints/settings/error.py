"""Settings that are wrong."""

from attrs import define

from ...domain.errors import GatewayError, Violation


@define(eq=False, kw_only=True)
class SettingsError(GatewayError):
    """The settings are wrong; the service does not start with them."""

    code = "invalid_settings"
    violations: tuple[Violation, ...] = ()
