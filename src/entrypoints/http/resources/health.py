"""`/health`: whether the process lives, and whether it takes requests."""

from collections.abc import Callable
from typing import Literal

from attrs import frozen
from falcon.asgi import Response

from ..exchange import Request

Readiness = Literal["starting", "ready", "draining"]


@frozen
class Health:
    """The resource. `readiness` says whether requests are welcome now."""

    readiness: Callable[[], Readiness]

    async def on_get_live(self, _: Request, resp: Response) -> None:
        """Whether the event loop turns."""
        resp.media = {"status": "ok"}

    async def on_get_ready(self, _: Request, resp: Response) -> None:
        """Whether a load balancer should send requests here."""
        said = self.readiness()
        resp.status_code = 200 if said == "ready" else 503
        resp.media = {"status": said}
