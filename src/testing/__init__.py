"""What the ports promise, as suites for pytest: subclass one, provide its fixtures, and it is run against your adapter.

Needs pytest and pytest-asyncio in its automatic mode (`pip install 'pluggably[testing]'`); nothing of the service
imports it.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.generator", f"{__name__}.media_generator", f"{__name__}.model_source")

from .generator import GeneratorContract  # noqa: E402 - after the line that gives its failures their words
from .media_generator import MediaGeneratorContract  # noqa: E402 - as above
from .model_source import ModelSourceContract  # noqa: E402 - as above

__all__ = ["GeneratorContract", "MediaGeneratorContract", "ModelSourceContract"]
