"""Models in a bucket of an S3-compatible store: `s3://bucket/key`, or `s3://bucket/prefix/` for all that is below it.

`minio` (7.2) lists and signs; the content is fetched by signed URLs, so that it comes like from any other server: in
ranges, checked, and given up at once when nobody wants it any more.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import urllib3
from attrs import field, frozen
from minio import Minio
from minio.error import MinioException, S3Error

from ...application.download_ports import Listing, Opened
from ...domain.download import DownloadFile
from ...domain.errors import InvalidRequest, NotFound, SourceFailed, SourceForbidden, SourceUnreachable
from ...domain.file_names import chosen
from .ranges import HttpFiles

MOST_FILES = 1_000
_SIGNED_FOR = timedelta(hours=1)
_ABSENT = ("NoSuchKey", "NoSuchBucket", "NotFound")
_SERVER_ERROR = 500


@frozen(kw_only=True)
class S3Store:
    """Where the store is, and who we are there."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)


class S3Source:
    """A `DownloadSource`."""

    scheme = "s3"

    def __init__(self, store: S3Store, files: HttpFiles) -> None:
        """Connects when it is first used."""
        url = urlsplit(store.endpoint)
        self._files = files
        self._connections = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            ssl_context=ssl.create_default_context(),
        )
        self._client = Minio(
            url.netloc,
            access_key=store.access_key,
            secret_key=store.secret_key,
            region=store.region,
            secure=url.scheme == "https",
            http_client=self._connections,
        )

    async def list(self, reference: str, include: Sequence[str]) -> Listing:
        """The object, or those below the prefix."""
        bucket, _, key = reference.removeprefix("//").partition("/")
        if not reference.startswith("//") or not bucket:
            raise InvalidRequest.at("/source", "must be like s3://bucket/folder/model.gguf, or s3://bucket/folder/")
        try:
            return await asyncio.to_thread(self._list, bucket, key, include)
        except S3Error as exc:
            raise _error_of(exc) from exc
        except (MinioException, urllib3.exceptions.HTTPError) as exc:
            raise SourceUnreachable(detail="The S3 store cannot be reached, or did not answer in time.") from exc
        except ValueError as exc:  # minio's word for names that cannot be
            raise InvalidRequest.at("/source", "must have the name of a bucket after s3://") from exc

    @asynccontextmanager
    async def open(self, file: DownloadFile, start: int, stop: int) -> AsyncIterator[Opened]:
        """A part of an object."""
        bucket, _, key = file.address.partition("/")
        url = self._client.presigned_get_object(bucket, key, expires=_SIGNED_FOR)
        async with self._files.open(url, start, stop, file.tag) as opened:
            yield opened

    async def close(self) -> None:
        """Let go of connections."""
        self._connections.clear()

    def _list(self, bucket: str, key: str, include: Sequence[str]) -> Listing:
        pinned = f"s3://{bucket}/{key}"
        if key and not key.endswith("/"):
            it = self._client.stat_object(bucket, key)
            name = key.rpartition("/")[2]
            file = DownloadFile(
                name=name, size_bytes=it.size or 0, address=f"{bucket}/{key}", tag=f'"{(it.etag or "").strip(chr(34))}"'
            )
            return Listing(name=name.rpartition(".")[0] or name, pinned=pinned, files=(file,))
        there = {}
        for it in self._client.list_objects(bucket, prefix=key, recursive=True):
            if (it.object_name or "").endswith("/"):
                continue
            there[(it.object_name or "").removeprefix(key)] = it
            if len(there) > MOST_FILES:
                raise InvalidRequest.at("/source", f"has more than {MOST_FILES} objects below it: name a deeper folder")
        files = tuple(
            DownloadFile(
                name=name,
                size_bytes=there[name].size or 0,
                address=f"{bucket}/{key}{name}",
                tag=f'"{(there[name].etag or "").strip(chr(34))}"',
            )
            for name in chosen(there, include)
        )
        if not files:
            raise NotFound(detail=f"No object there is wanted; there is {', '.join(list(there)[:8]) or 'none'}.")
        return Listing(name=key.rstrip("/").rpartition("/")[2] or bucket, pinned=pinned, files=files)


def _error_of(error: S3Error) -> NotFound | SourceFailed:
    if error.code in _ABSENT:
        return NotFound(detail="The S3 store has no such bucket or object.")
    if error.response.status >= _SERVER_ERROR:
        return SourceUnreachable(detail="The S3 store is not available.")
    return SourceForbidden(
        detail="The S3 store does not give this to us: see to downloads.s3_access_key_env and _secret_key_env."
    )
