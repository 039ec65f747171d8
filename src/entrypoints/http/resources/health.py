"""`/health`: whether the process lives, and whether it takes requests."""

from collections.abc import Callable

from attrs import frozen
from falcon.asgi import Response

from ..scope import Request


@frozen
class Health:
    """The resource. `is_ready` says whether requests are welcome now."""

    is_ready: Callable[[], bool]

    async def on_get_live(self, _: Request, resp: Response) -> None:
        """Whether the event loop turns."""
        resp.media = {"status": "ok"}

    async def on_get_ready(self, _: Request, resp: Response) -> None:
        """Whether a load balancer should send requests here."""
        ready = self.is_ready()
        resp.status_code = 200 if ready else 503
        resp.media = {"status": "ready" if ready else "not ready"}
