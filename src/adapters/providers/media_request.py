"""What a request for a picture or a mesh says, as services want to be told it."""

from pathlib import Path

from ...domain.errors import GatewayError, InvalidRequest
from ...domain.generation import GenerationRequest, InputFile


def folder_of(request: GenerationRequest) -> Path:
    """Where the request's files go.

    Raises:
        GatewayError: it has no such place.
    """
    if request.workspace is None:
        raise GatewayError(detail=f"A request for {request.modality} has no workspace.")
    return Path(request.workspace)


def prompt_of(request: GenerationRequest) -> str:
    """What to make, in words."""
    return request.messages[-1].text if request.messages else ""


def words_of(request: GenerationRequest) -> str:
    """What to make, in words that must be there.

    Raises:
        InvalidRequest: they are not.
    """
    if not (prompt := prompt_of(request)):
        raise InvalidRequest.at("/input", "must say what to make")
    return prompt


def picture_of(request: GenerationRequest) -> InputFile | None:
    """The one picture to begin with, if there is any.

    Raises:
        InvalidRequest: there are several, or a mask.
    """
    if any(file.use == "mask" for file in request.files):
        raise InvalidRequest.at("/input", "this model takes no mask", ("image",))
    if len(request.files) > 1:
        raise InvalidRequest.at("/input", "this model begins with one picture at most")
    return request.files[0] if request.files else None
