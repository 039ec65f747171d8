"""What can go wrong at a local disk, in the words of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC

from ..domain.errors import GatewayError, InsufficientStorage


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the errors of a local disk into those of the domain."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (ENOSPC, EDQUOT):
            raise InsufficientStorage(detail="There is no space left on the disk for the file.") from exc
        raise GatewayError(
            detail=f"A file or folder cannot be read or written ({exc.strerror}): see to the data and model folders."
        ) from exc
