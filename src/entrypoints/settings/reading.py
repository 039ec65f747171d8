"""Settings out of the file and the environment."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...domain.errors import InvalidRequest
from ..structuring import structure
from .checks import expect_sense
from .error import SettingsError
from .tables import Settings

PREFIX = "PLUGGABLY_"
CLIENT_KEY = "PLUGGABLY_API_KEY"
"""What commands show the running service; no setting."""
DEFAULT_FILE = Path("pluggably.toml")


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings file, lay the environment over it, and check everything.

    Args:
        path: the file; `None` reads `pluggably.toml` in the working folder, if there is one.
        environ: the environment variables.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; all of it is said at once.
    """
    tree = _read(path or DEFAULT_FILE, required=path is not None)
    for name, raw in sorted(environ.items()):
        if name.startswith(PREFIX) and name != CLIENT_KEY:
            _lay_over(tree, name.removeprefix(PREFIX).lower().split("__"), _value(raw), name)
    try:
        settings = structure(tree, Settings)
    except InvalidRequest as error:
        lines = [f"  {_key(violation.pointer)}: {violation.message}" for violation in error.violations]
        raise SettingsError(
            detail="These settings are wrong:\n" + "\n".join(lines), violations=error.violations
        ) from error
    expect_sense(settings)
    return settings


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if required:
            raise SettingsError(detail=f"There is no settings file {path}.") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(detail=f"The settings file {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(detail=f"The settings file {path} is not TOML: {error}.") from error


def _lay_over(tree: dict[str, Any], keys: list[str], value: Any, name: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise SettingsError(detail=f"The environment variable {name} names a key inside {key!r}, which has none.")
    tree[keys[-1]] = value


def _value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return raw


def _key(pointer: str) -> str:
    return ".".join(pointer.removeprefix("/").split("/")) or "file"
