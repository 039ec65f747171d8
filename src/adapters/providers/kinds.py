"""The kinds of provider that a configuration may name, and where each is; imported only when it is chosen."""

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "anthropic": "pluggably.adapters.providers.anthropic.provider:AnthropicProvider",
    "gemini": "pluggably.adapters.providers.gemini.provider:GeminiProvider",
    "openai": "pluggably.adapters.providers.openai.provider:OpenAIProvider",
}
"""Dotted paths, `module:class`, by the `kind` of a `[[providers]]` entry."""
