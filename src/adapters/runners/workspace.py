"""Where a request's files go."""

from pathlib import Path

from ...domain.errors import GatewayError
from ...domain.generation import GenerationRequest


def workspace_of(request: GenerationRequest) -> Path:
    """The request's own folder.

    Raises:
        GatewayError: whoever made the request forgot it.
    """
    if request.workspace is None:
        raise GatewayError(detail=f"A request for {request.modality} has no workspace.")
    return Path(request.workspace)
