"""What `pluggably serve` runs."""

import sys
from typing import TYPE_CHECKING

from attrs import frozen

from ...application.catalog import Catalog
from ..settings import Settings
from .container import Container
from .lifespan import running

if TYPE_CHECKING:
    from ..http.app import Application


@frozen
class Service:
    """What `pluggably serve` runs, and the catalog that it greets with."""

    app: "Application"
    catalog: Catalog


def create_service(settings: Settings) -> Service:
    """The HTTP application over everything that the settings name.

    Raises:
        GatewayError: something that they name cannot be had, or is in use.
    """
    from ..http.app import create_app
    from ..http.services import HttpOptions, Services

    container = Container(settings=settings)
    services = Services(
        access=container.access(),
        requests=container.metrics(),
        tracer=container.tracer(),
        keys=container.keys(),
        generate=container.generate(),
        jobs=container.jobs(),
        sessions=container.sessions(),
        catalog=container.catalog(),
        exports=container.exports(),
        retention=container.retention(),
        reads=container.reads(),
        log_reads=container.log_reads(),
        artifacts=container.artifacts(),
        artifact_links=container.artifact_links(),
        registrations=container.registrations(),
        storage=container.storage(),
        downloads=container.downloads(),
        usage=container.usage(),
    )
    options = HttpOptions(
        body_limit_bytes=settings.server.body_limit_bytes,
        json_depth=settings.server.json_depth,
        upload_limit_bytes=settings.artifacts.upload_limit_bytes,
        access_log=settings.server.access_log,
        cors_origins=frozenset(settings.server.cors_origins),
        local_only=not settings.access.methods,
    )
    return Service(create_app(services, options, lambda: running(container)), container.catalog())


def start_logging(settings: Settings) -> bool:
    """Begin to log as the settings say.

    Returns:
        Whether the logs are for people: then other words to them may stand between.
    """
    from ...adapters.telemetry.logging import configure_logging

    wanted = settings.logging.format
    for_people = wanted == "console" or (wanted == "auto" and sys.stderr.isatty())
    configure_logging(settings.logging.level, "console" if for_people else "json")
    return for_people
