"""What the HTTP driver needs: the use cases it drives, and how it shall behave."""

from attrs import frozen

from ...application.access import Access
from ...application.artifact_links import ArtifactLinks
from ...application.artifacts import Artifacts
from ...application.audit import Exports
from ...application.catalog import Catalog
from ...application.downloads import Downloads
from ...application.generate import Generate
from ...application.jobs import Jobs
from ...application.keys import Keys
from ...application.log_reads import LogReads
from ...application.reads import Reads
from ...application.registrations import Registrations
from ...application.retention import Retention
from ...application.sessions import Sessions
from ...application.storage import Storage
from ...application.telemetry import RequestObserver
from ...application.tracing import Tracer
from ...application.usage import UsageReports


@frozen(kw_only=True)
class Services:
    """The use cases behind the routes."""

    access: Access
    requests: RequestObserver
    tracer: Tracer
    keys: Keys
    generate: Generate
    jobs: Jobs
    sessions: Sessions
    catalog: Catalog
    exports: Exports
    reads: Reads
    retention: Retention
    log_reads: LogReads
    artifacts: Artifacts
    artifact_links: ArtifactLinks
    registrations: Registrations
    storage: Storage
    downloads: Downloads
    usage: UsageReports


@frozen(kw_only=True)
class HttpOptions:
    """How the driver behaves.

    `body_limit_bytes` bounds a request's body and `json_depth` the nesting in it, `upload_limit_bytes` an upload. A
    stream on which nothing happens for `ping_interval_s` gets a comment. `access_log` writes a line for each request.
    Pages of `cors_origins` may call from browsers. `local_only` says that who asks is known by being on this machine.
    """

    body_limit_bytes: int = 10 * 2**20
    json_depth: int = 32
    upload_limit_bytes: int = 20 * 2**20
    ping_interval_s: float = 15.0
    access_log: bool = True
    cors_origins: frozenset[str] = frozenset()
    local_only: bool = False
