"""All tables of the settings together."""

from pathlib import Path
from typing import Annotated

from attrs import frozen

from ...domain.parameters import Field
from .access import AccessSettings, IssuerSettings
from .artifacts import ArtifactSettings
from .downloads import DownloadSettings
from .jobs import JobSettings
from .models import ModelSettings, RunnerSettings, StorageSettings
from .providers import ProviderSettings
from .ray import RaySettings
from .routing import RouteSettings, RoutingSettings
from .server import LoggingSettings, ServerSettings
from .sessions import AuditSettings, SessionSettings


@frozen(kw_only=True)
class Settings:
    """All of it."""

    data_dir: Annotated[str, Field("Folder of everything the service keeps.")] = "data"
    server: ServerSettings = ServerSettings()  # noqa: RUF009 - frozen
    access: AccessSettings = AccessSettings()  # noqa: RUF009 - frozen
    issuers: tuple[IssuerSettings, ...] = ()
    models: ModelSettings = ModelSettings()  # noqa: RUF009 - frozen
    storage: StorageSettings = StorageSettings()  # noqa: RUF009 - frozen
    runners: RunnerSettings = RunnerSettings()  # noqa: RUF009 - frozen
    ray: RaySettings = RaySettings()  # noqa: RUF009 - frozen
    sessions: SessionSettings = SessionSettings()  # noqa: RUF009 - frozen
    audit: AuditSettings = AuditSettings()  # noqa: RUF009 - frozen
    jobs: JobSettings = JobSettings()  # noqa: RUF009 - frozen
    artifacts: ArtifactSettings = ArtifactSettings()  # noqa: RUF009 - frozen
    downloads: DownloadSettings = DownloadSettings()  # noqa: RUF009 - frozen
    routing: RoutingSettings = RoutingSettings()  # noqa: RUF009 - frozen
    routes: tuple[RouteSettings, ...] = ()
    providers: tuple[ProviderSettings, ...] = ()
    logging: LoggingSettings = LoggingSettings()  # noqa: RUF009 - frozen

    @property
    def data_path(self) -> Path:
        """`data_dir`, absolute."""
        return Path(self.data_dir).expanduser().resolve()

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """The model folders, absolute; `models` in the data folder unless others are named."""
        if self.models.folders is None:
            return (self.data_path / "models",)
        return tuple(Path(folder).expanduser().resolve() for folder in self.models.folders)

    @property
    def checkpoints_folder(self) -> Path:
        """The second place of checkpoints, absolute; `audit` in the data folder unless another is named."""
        folder = self.audit.checkpoints_folder
        return Path(folder).expanduser().resolve() if folder else self.data_path / "audit"
