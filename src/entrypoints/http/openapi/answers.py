"""Answers that many operations have."""

from typing import Final

from . import headers
from .operation import Answer

NOT_MODIFIED: Final = Answer(description="You have it already.", headers=(headers.ETAG,))
