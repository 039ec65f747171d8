"""What stands behind the ports of artifacts, for the composition root; each adapter is imported when it is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from ...application.artifact_ports import ArtifactFiles, ArtifactIndex, Egress, Pictures, Workspaces
from ...domain.signed_url import UrlKey
from ..settings import Settings, SettingsError
from ..settings.artifacts import ArtifactSettings
from .environment import secret
from .plugins import load_adapter

if TYPE_CHECKING:
    from ...adapters.database.sql import Database

STORES = ("disk", "s3")


def files(settings: Settings) -> ArtifactFiles:
    """Where the contents are."""
    wanted = settings.artifacts
    if wanted.store == "disk":
        from ...adapters.artifacts.disk import DiskArtifactFiles

        return DiskArtifactFiles(settings.data_path / "artifacts")
    if wanted.store == "s3":
        return s3_files(wanted, wanted.s3_bucket or "")
    other: ArtifactFiles = load_adapter(wanted.store, "artifacts.store", STORES)(settings.data_path)
    return other


def s3_files(wanted: ArtifactSettings, bucket: str) -> ArtifactFiles:
    """Contents in a bucket of the S3 store."""
    with installed("minio", "An S3 store", "s3"):
        from ...adapters.artifacts.s3 import Bucket, S3ArtifactFiles
    return S3ArtifactFiles(
        Bucket(
            endpoint=wanted.s3_endpoint or "",
            public_endpoint=wanted.s3_public_endpoint,
            name=bucket,
            region=wanted.s3_region,
            access_key=secret(wanted.s3_access_key_env, "The artifact store takes its access key"),
            secret_key=secret(wanted.s3_secret_key_env, "The artifact store takes its secret key"),
        )
    )


def index(database: "Database") -> ArtifactIndex:
    """Which artifacts there are."""
    from ...adapters.artifacts.index import SqlArtifactIndex

    return SqlArtifactIndex(database)


def workspaces(settings: Settings) -> Workspaces:
    """Where files are that somebody works on."""
    from ...adapters.artifacts.workspaces import LocalWorkspaces

    return LocalWorkspaces(settings.data_path / "work")


def pictures(settings: Settings) -> Pictures:
    """What looks at input pictures."""
    from ...adapters.artifacts.pictures import HeaderPictures

    return HeaderPictures(settings.artifacts.picture_limit_pixels)


def egress(settings: Settings) -> Egress:
    """What fetches inputs."""
    from ...adapters.artifacts.egress import GuardedEgress

    wanted = settings.artifacts
    return GuardedEgress(
        plain_http=wanted.fetch_plain_http,
        private_origins=wanted.fetch_private_origins,
        timeout_s=wanted.fetch_timeout_s,
    )


def url_keys(settings: Settings) -> tuple[UrlKey, ...]:
    """What URLs are signed with."""
    from ...adapters.artifacts.signing import url_keys_in, url_keys_of

    if variable := settings.artifacts.url_keys_env:
        return url_keys_of(secret(variable, "The keys of URLs come"))
    return url_keys_in(settings.data_path / "artifacts" / "url.keys")


def keep_for(settings: Settings) -> timedelta | None:
    """How long artifacts are kept."""
    days = settings.artifacts.keep_days
    return None if days is None else timedelta(days=days)


def url_ttl(settings: Settings) -> timedelta:
    """How long URLs are good."""
    return timedelta(seconds=settings.artifacts.url_ttl_s)


def public_url(settings: Settings) -> str:
    """What URLs begin with; empty if that is not known."""
    return (settings.artifacts.public_url or "").rstrip("/")


@contextmanager
def installed(package: str, setting: str, extra: str) -> Iterator[None]:
    """Say what to install if it is not there.

    Raises:
        SettingsError: `package` cannot be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(detail=f"{setting} needs {package}: pip install 'pluggably[{extra}]'.") from error
