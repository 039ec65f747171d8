"""`/v1/downloads`: models on their way here."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from attrs import field, frozen
from falcon.asgi import Response

from ....application.downloads import DownloadRequest, Downloads
from ....domain.download import ENDED, DownloadFile, DownloadJob, WantedModel
from ....domain.errors import InvalidRequest
from ....domain.model import Modality
from ....domain.parameters import Field
from ..body import Nothing, principal_of, read_body, read_query, refuse_idempotency_key
from ..exchange import Request
from ..followed import event_of, follow, last_event_id
from ..paging import page_object

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_ONCE = ": a model that is on its way already is not fetched twice"
_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")


@frozen(kw_only=True)
class NewModel:
    """What the model shall be in the catalog."""

    id: Annotated[str | None, Field("Its id; absent: made from the names of its files.", max_length=96)] = None
    name: Annotated[str | None, Field("What people call it.", max_length=256)] = None
    modality: Annotated[Modality | None, Field("What it generates; absent: as its files say.")] = None


@frozen(kw_only=True)
class NewDownload:
    """What to fetch."""

    source: Annotated[
        str,
        Field(
            "Where it is.",
            max_length=8_192,
            examples=("hf:org/name@main", "https://example.com/model.gguf", "s3://bucket/model/"),
        ),
    ]
    include: Annotated[
        tuple[str, ...], Field("Patterns of the files wanted; absent: all that cannot run code.", max_length=64)
    ] = ()
    sha256: Annotated[
        Mapping[str, str], Field("What the files must be, by their names, in hexadecimal digits.", max_length=1_000)
    ] = field(factory=dict)
    model: Annotated[NewModel | None, Field("What the model shall be in the catalog.")] = None


@frozen(kw_only=True)
class DownloadList:
    """Which downloads to list."""

    limit: Annotated[int, Field("How many at most.", 1, 100)] = 20
    after: Annotated[str | None, Field("The `next_after` of the page before.", max_length=64)] = None


@frozen
class DownloadResource:
    """The resource."""

    downloads: Downloads

    async def on_post(self, req: Request, resp: Response) -> None:
        """Begin a download."""
        refuse_idempotency_key(req, _ONCE)
        job = await self.downloads.create(_request(read_body(req, NewDownload)), principal_of(req))
        resp.status_code = 202
        resp.set_header("location", f"/v1/downloads/{job.id}")
        resp.media = download_object(job)

    async def on_get(self, req: Request, resp: Response) -> None:
        """List downloads, the newest first."""
        wanted = read_query(req, DownloadList, numbers=("limit",))
        jobs = await self.downloads.list(principal_of(req), limit=wanted.limit + 1, before=wanted.after)
        resp.media = page_object(jobs, wanted.limit, download_object, lambda it: it.id)

    async def on_get_one(self, req: Request, resp: Response, download_id: str) -> None:
        """One download."""
        read_query(req, Nothing)
        resp.media = download_object(await self.downloads.get(download_id, principal_of(req)))

    async def on_delete_one(self, req: Request, resp: Response, download_id: str) -> None:
        """Forget a download, after it was cancelled if it is at work."""
        refuse_idempotency_key(req, "")
        await self.downloads.delete(download_id, principal_of(req))
        resp.status_code = 204

    async def on_post_pause(self, req: Request, resp: Response, download_id: str) -> None:
        """Let it wait."""
        read_body(req, Nothing)
        resp.media = download_object(await self.downloads.pause(download_id, principal_of(req)))

    async def on_post_resume(self, req: Request, resp: Response, download_id: str) -> None:
        """Let it go on."""
        read_body(req, Nothing)
        resp.media = download_object(await self.downloads.resume(download_id, principal_of(req)))

    async def on_post_cancel(self, req: Request, resp: Response, download_id: str) -> None:
        """End it, and remove what came."""
        read_body(req, Nothing)
        resp.media = download_object(await self.downloads.cancel(download_id, principal_of(req)))

    async def on_get_events(self, req: Request, resp: Response, download_id: str) -> None:
        """Follow it to its end."""
        read_query(req, Nothing)
        after, idle_s = last_event_id(req) or 0, req.exchange.options.ping_interval_s
        changes = await self.downloads.follow(download_id, principal_of(req), after=after, idle_s=idle_s)
        await follow(resp, req.exchange, changes, _event, req.path)


def download_object(job: DownloadJob) -> dict[str, Any]:
    """A download. Where its files are, here and there, is nobody's business."""
    return {
        "id": job.id,
        "object": "download",
        "source": job.public_source,
        "revision": job.revision,
        "license": job.license,
        "status": job.status,
        "bytes_done": job.bytes_done,
        "bytes_total": job.bytes_total or None,
        "percent": job.percent,
        "rate_bytes_per_s": None if job.rate_bytes_per_s is None else round(job.rate_bytes_per_s),
        "eta_s": None if job.eta_s is None else round(job.eta_s, 1),
        "files": [_file_object(it) for it in job.files],
        "model_id": job.model_ids[0] if job.model_ids else None,
        "model_ids": job.model_ids,
        "error": {"code": it.code, "detail": it.detail, "retryable": it.retryable} if (it := job.failure) else None,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }


def _event(job: DownloadJob | None) -> bytes:
    """`progress` each time that it has changed, and at the end its last state; its version is the number."""
    if job is None:
        return b""
    return event_of(job.version, job.status.value if job.status in ENDED else "progress", download_object(job))


def _file_object(file: DownloadFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "bytes_done": file.bytes_done,
        "bytes_total": file.size_bytes,
        "digest": file.digest,
        "status": file.status,
    }


def _request(body: NewDownload) -> DownloadRequest:
    for name, digest in body.sha256.items():
        if not _SHA256.fullmatch(digest):
            raise InvalidRequest.at(f"/sha256/{name.replace('~', '~0').replace('/', '~1')}", "must be 64 hex digits")
    model = body.model
    if model and model.id is not None and not _MODEL_ID.fullmatch(model.id):
        raise InvalidRequest.at("/model/id", "must be lower-case letters, digits, '.', '_' and '-'")
    wanted = WantedModel(id=model.id, name=model.name, modality=model.modality) if model else None
    return DownloadRequest(source=body.source, include=body.include, sha256=body.sha256, model=wanted)
