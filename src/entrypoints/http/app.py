"""The HTTP application: every route, and the life of the process around them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any

import falcon.asgi
import falcon.media
import msgspec
import structlog
from falcon.constants import COMBINED_METHODS

from . import problems
from .exchange import Request
from .openai import ChatCompletions
from .openai_images import ImageGenerations
from .openapi.document import expect_described
from .permissions import expect_permissions, require_permission
from .resources.artifacts import ArtifactResource
from .resources.audit import Audit
from .resources.docs import Docs
from .resources.downloads import DownloadResource
from .resources.generations import Generations, ImageGeneration, Model3DGeneration, TextGeneration
from .resources.health import Health, Readiness
from .resources.jobs import JobResource
from .resources.keys import KeyResource, Me
from .resources.log import Log
from .resources.metrics import MetricsResource
from .resources.models import Models
from .resources.retention import RetentionResource
from .resources.session_events import SessionEvents
from .resources.sessions import SessionResource
from .resources.storage import StorageResource
from .resources.usage import Usage
from .scope import Receive, RequestScope, Scope, Send
from .services import HttpOptions, Services

Lifespan = Callable[[], AbstractAsyncContextManager[object]]
"""Gives what the process holds open while it serves: stores, providers, model processes."""

_log = structlog.get_logger()


def create_app(
    services: Services, options: HttpOptions | None = None, lifespan: Lifespan = nullcontext
) -> "Application":
    """The ASGI application.

    Args:
        services: the use cases.
        options: how it behaves.
        lifespan: entered at start, before it is ready, and left when the server has stopped.
    """
    return Application(services, options or HttpOptions(), lifespan)


class Application:
    """The ASGI application. It ends in two steps: `leave`, after which it is not ready but serves what still comes, and
    `drain`, after which it refuses new requests, while those at work may finish.
    """

    def __init__(self, services: Services, options: HttpOptions, lifespan: Lifespan) -> None:
        self._scope = RequestScope(
            _falcon_app(services, self.readiness), services.access, services.requests, services.tracer, options
        )
        self._jobs = services.jobs
        self._lifespan = lifespan
        self._started = False

    def readiness(self) -> Readiness:
        """Whether it has started and stays."""
        if self._scope.leaving:
            return "draining"
        return "ready" if self._started else "starting"

    def leave(self) -> None:
        """Be ready no more, let each answer be the last on its connection, and begin nothing that waits."""
        self._scope.leave()
        self._jobs.worker.drain()

    def drain(self) -> None:
        """Refuse new requests from now on."""
        self.leave()
        self._scope.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or live for as long as the server does."""
        if scope["type"] == "http":
            await self._scope(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:  # no route speaks WebSocket; this answers 403
            await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                await stack.enter_async_context(self._lifespan())
            except Exception as error:
                _log.error("service.failed", exc_info=error)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            self._started = True
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.drain()
        await send({"type": "lifespan.shutdown.complete"})


def _methods(resource: object, suffix: str | None) -> Iterator[str]:
    """The methods that a resource has on a route; OPTIONS, which only says so, needs no saying."""
    ending = f"_{suffix}" if suffix else ""
    return (it for it in COMBINED_METHODS if it != "OPTIONS" and hasattr(resource, f"on_{it.lower()}{ending}"))


class Permissions:
    """Lets requests through to the route that they matched."""

    async def process_resource(self, req: Request, resp: Any, resource: object, params: object) -> None:  # noqa: ARG002 - Falcon's signature
        """Refuse whoever may not be there."""
        exchange = req.exchange
        require_permission(req.method, req.uri_template or "", exchange.principal, exchange.refusal)


def _falcon_app(services: Services, readiness: Callable[[], Readiness]) -> Any:
    app = falcon.asgi.App(request_type=Request, middleware=[Permissions()])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_form_urlencoded = False
    json = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = json
    sessions, events = SessionResource(services.sessions, services.reads), SessionEvents(services.reads)
    models, health = Models(services.catalog, services.registrations), Health(readiness)
    storage = StorageResource(services.storage)
    audit = Audit(services.exports, services.reads)
    log = Log(services.log_reads)
    jobs, keys, docs = JobResource(services.jobs), KeyResource(services.keys), Docs()
    downloads = DownloadResource(services.downloads)
    artifacts = ArtifactResource(services.artifacts, services.artifact_links)
    routes: list[tuple[str, object, str | None]] = [
        ("/v1/generations/text", Generations(services.generate, services.jobs, TextGeneration), None),
        ("/v1/generations/image", Generations(services.generate, services.jobs, ImageGeneration), None),
        ("/v1/generations/3d", Generations(services.generate, services.jobs, Model3DGeneration), None),
        ("/v1/generations/{generation_id}", jobs, None),
        ("/v1/generations/{generation_id}/events", jobs, "events"),
        ("/v1/generations/{generation_id}/cancel", jobs, "cancel"),
        ("/v1/chat/completions", ChatCompletions(services.generate), None),
        ("/v1/images/generations", ImageGenerations(services.generate), None),
        ("/v1/sessions", sessions, None),
        ("/v1/sessions/{session_id}", sessions, "one"),
        ("/v1/sessions/{session_id}/turns", sessions, "turns"),
        ("/v1/sessions/{session_id}/state-tokens", sessions, "state_tokens"),
        ("/v1/sessions/{session_id}/reset", sessions, "reset"),
        ("/v1/sessions/{session_id}/close", sessions, "close"),
        ("/v1/sessions/{session_id}/archive", sessions, "archive"),
        ("/v1/sessions/{session_id}/hold", sessions, "hold"),
        ("/v1/sessions/{session_id}/release", sessions, "release"),
        ("/v1/sessions/{session_id}/fork", sessions, "fork"),
        ("/v1/sessions/{session_id}/events", events, None),
        ("/v1/sessions/{session_id}/verify", events, "verify"),
        ("/v1/sessions/{session_id}/export", audit, "export"),
        ("/v1/sessions/{session_id}/replay", audit, "replay"),
        ("/v1/audit/export", audit, "exports"),
        ("/v1/audit/key", audit, "key"),
        ("/v1/audit/reads", audit, "reads"),
        ("/v1/retention", RetentionResource(services.retention), None),
        ("/v1/audit/verify", log, "verify"),
        ("/v1/audit/checkpoints", log, "checkpoints"),
        ("/v1/artifacts", artifacts, None),
        ("/v1/artifacts/{artifact_id}", artifacts, "one"),
        ("/v1/artifacts/{artifact_id}/sign", artifacts, "sign"),
        ("/v1/artifacts/{artifact_id}/content", artifacts, "content"),
        ("/v1/downloads", downloads, None),
        ("/v1/downloads/{download_id}", downloads, "one"),
        ("/v1/downloads/{download_id}/events", downloads, "events"),
        ("/v1/downloads/{download_id}/pause", downloads, "pause"),
        ("/v1/downloads/{download_id}/resume", downloads, "resume"),
        ("/v1/downloads/{download_id}/cancel", downloads, "cancel"),
        ("/v1/models", models, None),
        ("/v1/models/{path:path}", models, "one"),
        ("/v1/parameters", models, "parameters"),
        ("/v1/keys", keys, None),
        ("/v1/keys/{key_id}", keys, "one"),
        ("/v1/keys/{key_id}/rotate", keys, "rotate"),
        ("/v1/me", Me(), None),
        ("/v1/usage", Usage(services.usage), None),
        ("/v1/storage", storage, None),
        ("/v1/storage/cleanup", storage, "cleanup"),
        ("/metrics", MetricsResource(services.requests), None),
        ("/health/live", health, "live"),
        ("/health/ready", health, "ready"),
        ("/openapi.json", docs, "document"),
        ("/docs", docs, None),
        ("/docs/{asset}", docs, "asset"),
    ]
    served = {template: list(_methods(resource, suffix)) for template, resource, suffix in routes}
    expect_described(served)
    expect_permissions(served)
    for template, resource, suffix in routes:
        app.add_route(template, resource, suffix=suffix)
    problems.install(app, tuple(template for template, _, _ in routes))
    return app
