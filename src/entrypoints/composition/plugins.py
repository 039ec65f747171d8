"""Adapters from outside this repository, named in the settings.

A name is a dotted path, `package.module:Class`, or the name of an entry point in the group `pluggably.adapters` that a
distribution declares.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ..settings import SettingsError

GROUP = "pluggably.adapters"


def load_adapter(name: str, setting: str, builtin: tuple[str, ...] = ()) -> Any:
    """The class behind a name.

    Args:
        name: the dotted path or the entry point's name.
        setting: the key of the settings that holds it, for the message.
        builtin: what else the key could have said, for the message.

    Raises:
        SettingsError: there is no such thing, or it cannot be imported.
    """
    module, _, attribute = adapter_path(name, setting, builtin).partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise SettingsError(detail=f"{setting} = {name!r}: cannot be imported: {error}.") from error
    except AttributeError as error:
        raise SettingsError(detail=f"{setting} = {name!r}: module {module} has no {attribute!r}.") from error


def adapter_path(name: str, setting: str, builtin: tuple[str, ...] = ()) -> str:
    """The dotted path that a name stands for; nothing is imported.

    Raises:
        SettingsError: no entry point has that name.
    """
    if ":" in name:
        return name
    known = {point.name: point.value for point in entry_points(group=GROUP)}
    if name not in known:
        allowed = ", ".join(map(repr, (*builtin, *sorted(known))))
        raise SettingsError(
            detail=f"{setting} = {name!r} is not known: it must be one of {allowed}, or a path `package.module:Class`."
        )
    return known[name]
