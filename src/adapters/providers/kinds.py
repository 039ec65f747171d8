"""The kinds of provider that a configuration may name, and where each is; imported only when it is chosen."""

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "anthropic": "pluggably.adapters.providers.anthropic.provider:AnthropicProvider",
    "gemini": "pluggably.adapters.providers.gemini.provider:GeminiProvider",
    "openai": "pluggably.adapters.providers.openai.provider:OpenAIProvider",
    "huggingface": "pluggably.adapters.providers.huggingface.provider:HuggingFaceProvider",
    "meshy": "pluggably.adapters.providers.meshy.provider:MeshyProvider",
    "ollama": "pluggably.adapters.providers.ollama.provider:OllamaProvider",
    "stability": "pluggably.adapters.providers.stability.provider:StabilityProvider",
    "tripo": "pluggably.adapters.providers.tripo.provider:TripoProvider",
}
"""Dotted paths, `module:class`, by the `kind` of a `[[providers]]` entry."""
