"""Where a model should come from does not give it."""

from typing import ClassVar

from .gateway import GatewayError, Source


class SourceFailed(GatewayError):
    """Where a model should come from does not give it."""

    source: ClassVar[Source] = "provider"


class SourceUnreachable(SourceFailed):
    """The source could not be reached, or broke off again and again."""

    code = "source_unreachable"
    retryable = True


class SourceForbidden(SourceFailed):
    """The source does not give this to us."""

    code = "source_forbidden"


class SourceChanged(SourceFailed):
    """What the source gives changed again and again while it was fetched."""

    code = "source_changed"
    retryable = True


class ChecksumMismatch(SourceFailed):
    """What came is not what was promised."""

    code = "checksum_mismatch"
