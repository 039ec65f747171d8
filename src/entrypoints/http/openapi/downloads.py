"""Downloads of models, as they are documented."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from attrs import frozen

from ....domain import errors
from ....domain.download import DownloadStatus, FileStatus
from ....domain.parameters import Field
from ..body import Nothing
from ..resources.downloads import DownloadList, NewDownload
from . import headers
from .failures import STORED, Problem
from .operation import Answer, Area, Body, Operation

_ONE = "/v1/downloads/{download_id}"


@frozen(kw_only=True)
class DownloadFileShown:
    """One file of a download."""

    name: str
    bytes_done: int
    bytes_total: int | None
    digest: str | None
    status: FileStatus


@frozen(kw_only=True)
class DownloadFailure:
    """Why a download failed."""

    code: str
    detail: str
    retryable: bool


@frozen(kw_only=True)
class DownloadShown:
    """A download as it is."""

    id: Annotated[str, Field("Its id.", examples=("dl_0199b1",))]
    object: Literal["download"]
    source: str
    revision: str | None
    license: str | None
    status: DownloadStatus
    bytes_done: int
    bytes_total: int | None
    percent: float | None
    rate_bytes_per_s: int | None
    eta_s: float | None
    files: tuple[DownloadFileShown, ...]
    model_id: Annotated[str | None, Field("The model that came, once it is here.")]
    model_ids: tuple[str, ...]
    error: DownloadFailure | None
    created_at: datetime
    updated_at: datetime


EVENTS: Final[dict[str, Any]] = {
    "progress": DownloadShown,
    "completed": DownloadShown,
    "failed": DownloadShown,
    "cancelled": DownloadShown,
    "error": Problem,
}
_SHOWN: Final = {200: Answer(description="The download as it is.", json=DownloadShown)}


def _step(name: str, summary: str) -> Operation:
    return Operation(
        method="POST",
        path=f"{_ONE}/{name}",
        id=f"{name}Download",
        summary=summary,
        body=Body(json=Nothing, required=False),
        answers=_SHOWN,
        errors=(errors.NotFound, errors.DownloadStateConflict, errors.InsufficientStorage, *STORED),
    )


DOWNLOADS: Final = Area(
    "Downloads",
    "Models on their way here: jobs that go on when nobody watches.",
    (
        Operation(
            method="POST",
            path="/v1/downloads",
            id="createDownload",
            summary="Fetch a model",
            body=Body(json=NewDownload, examples={"from a hub": {"source": "hf:org/name", "include": ["*Q4_K_M*"]}}),
            answers={202: Answer(description="The download.", json=DownloadShown, headers=(headers.LOCATION,))},
            errors=(
                errors.NotFound,
                errors.UnsafeFile,
                errors.UrlNotAllowed,
                errors.SourceUnreachable,
                errors.SourceForbidden,
                errors.SourceChanged,
                errors.ChecksumMismatch,
                errors.NameTaken,
                errors.InsufficientStorage,
                *STORED,
            ),
        ),
        Operation(
            method="GET",
            path="/v1/downloads",
            id="listDownloads",
            summary="List downloads",
            query=DownloadList,
            answers={200: Answer(description="The newest first.", page=DownloadShown)},
            errors=STORED,
        ),
        Operation(
            method="GET",
            path=_ONE,
            id="getDownload",
            summary="Look at a download",
            query=Nothing,
            answers=_SHOWN,
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="DELETE",
            path=_ONE,
            id="deleteDownload",
            summary="Forget a download",
            description="One that is at work is cancelled before.",
            answers={204: Answer(description="It is forgotten.")},
            errors=(errors.NotFound, errors.DownloadStateConflict, *STORED),
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/events",
            id="followDownload",
            summary="Follow a download",
            query=Nothing,
            headers=(headers.LAST_EVENT_ID,),
            answers={200: Answer(description="Each time that it has changed, and its last state.", events=EVENTS)},
            errors=(errors.NotFound, *STORED),
        ),
        _step("pause", "Let a download wait"),
        _step("resume", "Let a download go on"),
        _step("cancel", "End a download, and remove what came"),
    ),
)
