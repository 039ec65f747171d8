"""Contents in a bucket of an S3-compatible store, by `minio` (7.2): `contents/ab/abcd…`, by the hex sha256.

A PUT, or the completion of a multipart upload, makes the whole object visible at once, so there is never less than the
whole under a name. Large files go up and come down in parts, one in memory at a time. What a killed process leaves is
an upload that nobody completes: let the bucket abort those after a day (`AbortIncompleteMultipartUpload`). What S3
cannot do is add `nosniff` to an answer; the disposition keeps browsers from showing it.
"""

import os
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import urllib3
from attrs import field, frozen
from minio import Minio
from minio.error import MinioException, S3Error

from ...domain.artifact import Content
from ...domain.errors import GatewayError, NotFound, StoreUnavailable, StreamInterrupted
from ..disk_errors import disk_errors
from ..threads import Threads
from .own_file import not_that_content, own_file

PART_BYTES = 5 * 2**20  # the least that S3 allows
READ_BYTES = 2**18
_THREADS = 8
_ABSENT = ("NoSuchKey", "NotFound")
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed")
_SERVER_ERROR = 500


@frozen(kw_only=True)
class Bucket:
    """Where a bucket is, and who we are there.

    `endpoint` is a URL; `public_endpoint` is where clients reach the same store, if that is somewhere else.
    """

    endpoint: str
    name: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    public_endpoint: str | None = None


class S3ArtifactFiles:
    """Implements `ArtifactFiles`."""

    def __init__(self, bucket: Bucket) -> None:
        """Connects when it is first used."""
        self._bucket = bucket.name
        self._connections = urllib3.PoolManager(
            maxsize=_THREADS,
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            ssl_context=ssl.create_default_context(),
        )
        self._client = _client(bucket, bucket.endpoint, self._connections)
        self._public = _client(bucket, bucket.public_endpoint or bucket.endpoint, self._connections)
        self._threads = Threads(_THREADS, "artifacts", _translated)

    async def open(self) -> None:
        """Look whether the bucket is there."""
        if not await self._threads.run(lambda: self._client.bucket_exists(self._bucket)):
            raise GatewayError(detail=f"The artifact store has no bucket {self._bucket!r}: make one.")

    async def put(self, path: Path, content: Content) -> None:
        """Upload a file."""
        await self._threads.run(lambda: self._put(path, content))

    async def has(self, content: Content) -> bool:
        """Whether it is there."""
        return await self._threads.run(lambda: self._is_there(content))

    async def read(self, content: Content, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Yield a part of it."""
        response = await self._threads.run(lambda: self._get(content, start, length))
        left = length
        try:
            while left:
                piece = await self._threads.run(lambda: response.read(min(READ_BYTES, left)))  # noqa: B023 - runs now
                if not piece:
                    raise StreamInterrupted(detail="The artifact store broke off.")
                left -= len(piece)
                yield piece
        finally:
            await self._threads.run(response.close if left or not length else response.release_conn)

    async def copy(self, content: Content, path: Path) -> None:
        """Download it into a new file."""
        await self._threads.run(lambda: self._copy(content, path))

    async def delete(self, content: Content) -> None:
        """Remove it."""
        await self._threads.run(lambda: self._client.remove_object(self._bucket, _name(content)))

    async def presigned(
        self, content: Content, *, media_type: str, disposition: str, lifetime: timedelta
    ) -> str | None:
        """A URL of the store's own."""
        said = {"response-content-type": media_type, "response-content-disposition": disposition}
        return await self._threads.run(
            lambda: self._public.presigned_get_object(
                self._bucket, _name(content), expires=lifetime, response_headers={**said}
            )
        )

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()
        self._connections.clear()

    def _put(self, path: Path, content: Content) -> None:
        if self._is_there(content):
            return
        with own_file(path) as file:
            if os.fstat(file.fileno()).st_size != content.size_bytes:
                raise not_that_content()
            self._client.put_object(
                self._bucket,
                _name(content),
                _Checked(file, content),  # type: ignore[arg-type]  # only `read` is asked of it
                content.size_bytes,
                part_size=PART_BYTES,
                num_parallel_uploads=1,
            )

    def _is_there(self, content: Content) -> bool:
        try:
            return self._client.stat_object(self._bucket, _name(content)).size == content.size_bytes
        except S3Error as exc:
            if exc.code in _ABSENT:
                return False
            raise

    def _get(self, content: Content, start: int, length: int) -> urllib3.BaseHTTPResponse:
        return self._client.get_object(self._bucket, _name(content), offset=start, length=length)

    def _copy(self, content: Content, path: Path) -> None:
        response = self._get(content, 0, content.size_bytes)
        try:
            with path.open("xb") as file:
                while piece := response.read(READ_BYTES):
                    file.write(piece)
                if file.tell() != content.size_bytes:
                    raise StreamInterrupted(detail="The artifact store broke off.")
        finally:
            response.close()


class _Checked:
    """A file that is being uploaded; what is not the content that it should be cannot be read to its end."""

    def __init__(self, file: IO[bytes], content: Content) -> None:
        self._file, self._content = file, content
        self._digest, self._size = sha256(), 0

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self._digest.update(piece)
        self._size += len(piece)
        if self._size == self._content.size_bytes and self._digest.hexdigest() != self._content.sha256:
            raise not_that_content()
        return piece


def _name(content: Content) -> str:
    return f"contents/{content.sha256[:2]}/{content.sha256}"


def _client(bucket: Bucket, endpoint: str, connections: urllib3.PoolManager) -> Minio:
    url = urlsplit(endpoint)
    return Minio(
        url.netloc,
        access_key=bucket.access_key,
        secret_key=bucket.secret_key,
        region=bucket.region,  # given, it need not be asked for
        secure=url.scheme == "https",
        http_client=connections,
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with disk_errors():
            yield
    except S3Error as exc:
        raise _error_of(exc) from exc
    except (MinioException, urllib3.exceptions.HTTPError) as exc:
        raise StoreUnavailable(detail="The artifact store cannot be reached, or did not answer in time.") from exc


def _error_of(error: S3Error) -> GatewayError:
    if error.code in _ABSENT:
        return NotFound(detail="The content of the artifact is not there any more.")
    if error.code in _REFUSED:
        return GatewayError(detail="The artifact store refuses the gateway's credentials.")
    if error.response.status >= _SERVER_ERROR:
        return StoreUnavailable(detail="The artifact store is not available.")
    return GatewayError(detail="The artifact store refuses a request of the gateway.")
