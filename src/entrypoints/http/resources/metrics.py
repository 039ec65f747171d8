"""`/metrics`, for Prometheus."""

from attrs import frozen
from falcon.asgi import Response

from ....application.telemetry import RequestObserver
from ..exchange import Request


@frozen
class MetricsResource:
    """The resource."""

    requests: RequestObserver

    async def on_get(self, _: Request, resp: Response) -> None:
        """All metrics."""
        resp.content_type, resp.data = self.requests.expose()
