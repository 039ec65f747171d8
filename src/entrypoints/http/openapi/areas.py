"""Everything that is described: a route whose area is not here, or that is not in its area, is not served."""

from typing import Final

from .access import ACCESS, SERVICE
from .artifacts import ARTIFACTS
from .audit import AUDIT
from .downloads import DOWNLOADS
from .generations import GENERATIONS
from .models import MODELS, STORAGE
from .openai import OPENAI
from .operation import Area
from .sessions import SESSIONS
from .usage import USAGE

AREAS: Final[tuple[Area, ...]] = (
    GENERATIONS,
    OPENAI,
    SESSIONS,
    ARTIFACTS,
    MODELS,
    DOWNLOADS,
    STORAGE,
    AUDIT,
    ACCESS,
    USAGE,
    SERVICE,
)
