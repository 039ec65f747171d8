"""`/v1/usage`: what was used."""

from typing import Annotated, Any

from attrs import frozen
from falcon.asgi import Response

from ....application.usage import UsageReports
from ....application.usage_ports import UsageQuery, UsageSum
from ....domain.errors import InvalidRequest
from ....domain.parameters import Field
from ....domain.usage import UsageGroup, full_hour
from ..body import principal_of, read_query, read_time
from ..exchange import Request
from ..paging import page_object


@frozen(kw_only=True)
class UsageWanted:
    """Which usage to tell."""

    group_by: Annotated[UsageGroup, Field("By what it is added up.")]
    from_: Annotated[str | None, Field("The full hour that it begins with, RFC 3339; absent: the first.")] = None
    to: Annotated[str | None, Field("The full hour that it ends before; absent: up to now.")] = None
    limit: Annotated[int, Field("How many groups at most.", 1, 1_000)] = 100
    after: Annotated[str | None, Field("The `next_after` of the page before.", max_length=512)] = None

    def query(self) -> UsageQuery:
        """As the use case takes it; one more than wanted, to see whether there are more.

        Raises:
            InvalidRequest: a time is none, or the cursor is none that we gave out.
        """
        if "\0" in (self.after or ""):  # which PostgreSQL takes in no text
            raise InvalidRequest.at("/query/after", "must be the next_after of the page before, unchanged")
        return UsageQuery(
            group_by=self.group_by,
            since=full_hour("/query/from", read_time("/query/from", self.from_)),
            until=full_hour("/query/to", read_time("/query/to", self.to)),
            limit=self.limit + 1,
            after=self.after,
        )


@frozen
class Usage:
    """The resource."""

    reports: UsageReports

    async def on_get(self, req: Request, resp: Response) -> None:
        """What was used: one's own, or with the scope `admin` everybody's."""
        wanted = read_query(req, UsageWanted, numbers=("limit",))
        sums = await self.reports.report(wanted.query(), principal_of(req))
        resp.media = page_object(sums, wanted.limit, lambda it: usage_object(it, wanted.group_by), lambda it: it.group)


def usage_object(it: UsageSum, group_by: UsageGroup) -> dict[str, Any]:
    """What was used of one group."""
    return {"object": "usage", "group_by": group_by, "group": it.group} | it.counts._asdict()
