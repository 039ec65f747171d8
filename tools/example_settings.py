"""Print `pluggably.example.toml` from the settings' own declarations, so that the two cannot disagree.

python -m tools.example_settings > pluggably.example.toml
"""

import re
import typing
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Annotated, Any, get_args, get_origin

import attrs

from pluggably.domain.parameters import Field
from pluggably.entrypoints.settings import PREFIX, ProviderSettings, Settings
from pluggably.entrypoints.settings.access import IssuerSettings
from pluggably.entrypoints.settings.routing import RouteSettings

WIDTH = 110
HEADER = f"""\
# Every setting, with its default. A commented line shows an example, or what holds when the key is absent.
# An environment variable stands above this file: {PREFIX}SERVER__PORT=9000.
"""
EXAMPLES: dict[str, tuple[type, dict[str, Any]]] = {
    "providers": (
        ProviderSettings,
        {
            "name": "openai",
            "models": ["gpt-4o", "gpt-5*"],
            "base_url": "https://api.example.com/v1",
            "kind": "openai",
            "api_key_env": "OPENAI_API_KEY",
            "max_concurrent": 64,
            "options": {},
        },
    ),
    "issuers": (
        IssuerSettings,
        {
            "name": "company",
            "issuer": "https://login.example.com",
            "audience": "pluggably",
            "algorithms": ["RS256", "ES256"],
            "scope_claim": "scope",
            "scope_prefix": "",
            "leeway_s": 30,
            "jwks_url": "https://login.example.com/jwks",
            "introspection_url": "https://login.example.com/introspect",
            "client_id": "pluggably",
            "client_secret_env": "LOGIN_CLIENT_SECRET",
        },
    ),
    "routes": (
        RouteSettings,
        {
            "name": "smart",
            "models": [["openai/gpt-5", "azure/gpt-5"], "smollm2-135m-instruct"],
            "weights": {"openai/gpt-5": 3},
            "hedge_after_ms": 1500,
        },
    ),
}
"""Of the tables of which there can be several, one each."""


def example() -> str:
    """The whole file."""
    return "\n".join([HEADER, *_keys(Settings), *_tables()]) + "\n"


def _tables() -> Iterator[str]:
    for attribute in attrs.fields(Settings):
        section = attribute.default
        if attrs.has(type(section)):
            yield f"\n# {_first_line(type(section))}\n[{attribute.name}]"
            yield from _keys(type(section))
    for name, (section, values) in EXAMPLES.items():
        yield f"\n# {_first_line(section)} One such table each.\n# [[{name}]]"
        for key, field in _fields(section):
            yield from _described(field)
            yield f"# {key} = {_toml(values[key])}"


def _keys(section: type) -> Iterator[str]:
    for key, field in _fields(section):
        default = getattr(attrs.fields_dict(section)[key], "default", None)
        value = default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
        yield from _described(field)
        if value is not None:
            yield f"{key} = {_toml(value)}"
        else:
            yield f"# {key} = {_toml(field.examples[0])}"


def _fields(section: type) -> Iterator[tuple[str, Field]]:
    for key, hint in typing.get_type_hints(section, include_extras=True).items():
        for note in get_args(hint) if get_origin(hint) is Annotated else ():
            if isinstance(note, Field):
                yield key, note


def _described(field: Field) -> Iterator[str]:
    limits = ", ".join(filter(None, (_range(field), field.unit)))
    text = f"{field.description} ({limits})" if limits else field.description
    yield from (f"# {line}" for line in wrap(text, WIDTH))


def _range(field: Field) -> str | None:
    return field.range if field.minimum is not None or field.maximum is not None else None


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'


def _first_line(section: type) -> str:
    return (section.__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    print(example(), end="")
