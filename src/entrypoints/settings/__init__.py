"""What an operator can set: one TOML file, and environment variables over it.

Every table of the file is a class here, every key a field with its meaning; `pluggably.example.toml` shows them all.
The environment variable of a key is `PLUGGABLY_`, then the key's path in capitals with two underscores between its
parts: `PLUGGABLY_SERVER__PORT=9000`. Its value is read as TOML (`true`, `9000`, `["a", "b"]`), or else as a plain
string. A key that does not exist, in the file or the environment, is refused by name.
"""

from .access import AccessSettings, IssuerSettings
from .address import is_loopback, own_url, require_loopback, with_address
from .error import SettingsError
from .providers import ProviderSettings
from .reading import CLIENT_KEY, DEFAULT_FILE, PREFIX, load_settings
from .routing import RouteSettings
from .tables import Settings

__all__ = [
    "CLIENT_KEY",
    "DEFAULT_FILE",
    "PREFIX",
    "AccessSettings",
    "IssuerSettings",
    "ProviderSettings",
    "RouteSettings",
    "Settings",
    "SettingsError",
    "is_loopback",
    "load_settings",
    "own_url",
    "require_loopback",
    "with_address",
]
