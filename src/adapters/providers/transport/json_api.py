"""A service whose answers are small JSON documents: ask, check the status, decode."""

from typing import Any, Final, TypeVar

import msgspec
from attrs import frozen

from ....domain.errors import ProviderBadResponse
from .form import Form
from .reply import Reply
from .statuses import ToError, expect_success
from .upstream import Target, Upstream

ANSWER_LIMIT_BYTES: Final = 4 * 1024 * 1024

T = TypeVar("T")


@frozen(kw_only=True)
class JsonApi:
    """One server; `to_error` knows what its errors mean."""

    upstream: Upstream
    to_error: ToError

    async def post(self, target: Target, body: dict[str, Any] | Form, kind: type[T]) -> T:
        """What it answers.

        Raises:
            ProviderBadResponse: it is not such a document.
            GatewayError: it is an error, or did not come.
        """
        content = body if isinstance(body, Form) else msgspec.json.encode(body)
        return await self._document(await self.upstream.post(target, content), kind)

    async def get(self, target: Target, kind: type[T]) -> T:
        """What it answers; raises as `post`."""
        return await self._document(await self.upstream.get(target), kind)

    async def delete(self, target: Target) -> None:
        """Have it delete something; raises as `post`."""
        reply = await self.upstream.delete(target)
        try:
            await self._expect_success(reply)
            await reply.settle()
        finally:
            await reply.close()

    async def _document(self, reply: Reply, kind: type[T]) -> T:
        try:
            await self._expect_success(reply)
            body = await reply.whole(limit_bytes=ANSWER_LIMIT_BYTES, timeout_s=self.upstream.limits.first_byte_s)
        finally:
            await reply.close()
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            detail = f"Provider {self.upstream.provider!r} answered with something that its API does not have."
            raise ProviderBadResponse(detail=detail) from exc

    async def _expect_success(self, reply: Reply) -> None:
        await expect_success(reply, self.upstream.limits.idle_s, self.to_error)
