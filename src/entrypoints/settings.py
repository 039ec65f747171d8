"""What an operator can set: one TOML file, and environment variables over it.

Every table of the file is a class here, every key a field with its meaning; `pluggably.example.toml` shows them all.
The environment variable of a key is `PLUGGABLY_`, then the key's path in capitals with two underscores between its
parts: `PLUGGABLY_SERVER__PORT=9000`. Its value is read as TOML (`true`, `9000`, `["a", "b"]`), or else as a plain
string. A key that does not exist, in the file or the environment, is refused by name.
"""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from ..domain.errors import GatewayError, InvalidRequest, Violation
from ..domain.model import LOCAL
from ..domain.parameters import Field
from .access_settings import AccessSettings, IssuerSettings
from .artifact_settings import ArtifactSettings
from .download_settings import DownloadSettings
from .job_settings import JobSettings
from .model_settings import ModelSettings, RunnerSettings, StorageSettings
from .routing_settings import RouteSettings, RoutingSettings
from .structuring import structure

PREFIX = "PLUGGABLY_"
CLIENT_KEY = "PLUGGABLY_API_KEY"
"""What commands show the running service; no setting."""
DEFAULT_FILE = Path("pluggably.toml")


@define(eq=False, kw_only=True)
class SettingsError(GatewayError):
    """The settings are wrong; the service does not start with them."""

    code = "invalid_settings"
    violations: tuple[Violation, ...] = ()


@frozen(kw_only=True)
class ServerSettings:
    """How the HTTP service listens."""

    host: Annotated[str, Field("Address to listen on. Without credentials only a loopback address is accepted.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field("TCP port; 0 takes a free one.", 0, 65_535)] = 8080
    workers: Annotated[int, Field("How many processes serve; more than one need sessions in PostgreSQL.", 1, 256)] = 1
    body_limit_bytes: Annotated[int, Field("The largest request body.", 1_024, 2**30, unit="bytes")] = 10 * 2**20
    json_depth: Annotated[int, Field("How deep the JSON of a request may be nested.", 4, 512)] = 32
    access_log: Annotated[bool, Field("Log a line for each request.")] = True
    drain_s: Annotated[
        int, Field("How long running requests may take to finish when the service stops.", 0, 3_600, unit="seconds")
    ] = 30


@frozen(kw_only=True)
class SessionSettings:
    """Where sessions are kept, and how long."""

    store: Annotated[
        str,
        Field(
            "`sqlite` (one process), `postgres` (several; run `pluggably migrate` first), `memory` (lost at the end), "
            "`module:Class`, or the name of an entry point."
        ),
    ] = "sqlite"
    url_env: Annotated[
        str | None,
        Field(
            "For `postgres`: name of the environment variable that holds the connection URL, which never stands here.",
            examples=("DATABASE_URL",),
        ),
    ] = None
    master_key_env: Annotated[
        str | None,
        Field(
            "Name of the environment variable that holds the master key (64 hexadecimal digits), which hosts on one "
            "database share; absent: the file sessions/master.key in the data folder.",
            examples=("SESSIONS_MASTER_KEY",),
        ),
    ] = None
    busy_wait_s: Annotated[
        float, Field("How long a turn waits for the one before it in its session.", 0, 600, unit="seconds")
    ] = 10.0
    max_events: Annotated[
        int, Field("How many events a session may have; then it goes on in another one.", 10, 1_000_000)
    ] = 10_000
    audit_days: Annotated[
        int,
        Field(
            "A session that was closed so long ago is erased, unless it is on hold; 0: at once, -1: never.",
            -1,
            36_500,
            unit="days",
        ),
    ] = 184
    token_days: Annotated[
        int,
        Field(
            "How long the state tokens of a closed session are kept, at most as long as it; 0: not at all.",
            0,
            36_500,
            unit="days",
        ),
    ] = 184
    retention_every_s: Annotated[
        int,
        Field("How often is looked for what was kept long enough; 0: only on demand.", 0, 604_800, unit="seconds"),
    ] = 3_600


@frozen(kw_only=True)
class AuditSettings:
    """What is signed of the log of all events, and where that is kept."""

    checkpoint_every_s: Annotated[
        float, Field("How often a checkpoint is made of a log that has grown.", 1, 86_400, unit="seconds")
    ] = 60.0
    checkpoints_folder: Annotated[
        str | None,
        Field(
            "The second place of checkpoints, best on another disk or host; absent: audit in the data folder.",
            examples=("/mnt/worm/pluggably",),
        ),
    ] = None
    signing_key_env: Annotated[
        str | None,
        Field(
            "Name of the environment variable that holds the signing key (64 hexadecimal digits), which hosts on one "
            "database share; absent: the file sessions/signing.key in the data folder.",
            examples=("AUDIT_SIGNING_KEY",),
        ),
    ] = None


@frozen(kw_only=True)
class ProviderSettings:
    """A remote service that generates. Its models are named `<name>/<model>`."""

    name: Annotated[str, Field("The name of it here.", max_length=64, examples=("openai",))]
    models: Annotated[
        tuple[str, ...], Field("Its models by name, or by pattern with `*`.", examples=(["gpt-4o", "gpt-5*"],))
    ]
    base_url: Annotated[str, Field("Where its API begins.", examples=("https://api.example.com/v1",))]
    kind: Annotated[
        str, Field("What it speaks: `openai` or another kind of docs/providers.md, `module:Class`, or an entry point.")
    ] = "openai"
    api_key_env: Annotated[
        str | None, Field("Name of the environment variable that holds the key; the key itself never stands here.")
    ] = None
    max_concurrent: Annotated[
        int | None,
        Field("How much it is asked at once; as much again waits. Absent: no limit.", 1, 100_000, examples=(64,)),
    ] = None
    options: Annotated[Mapping[str, Any], Field("What only this kind of provider knows: docs/providers.md.")] = field(
        factory=dict
    )


@frozen(kw_only=True)
class LoggingSettings:
    """What is logged, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Field("The least that is worth a line.")] = "info"
    format: Annotated[Literal["auto", "console", "json"], Field("`auto`: for people on a terminal, else JSON.")] = (
        "auto"
    )


@frozen(kw_only=True)
class Settings:
    """All of it."""

    data_dir: Annotated[str, Field("Folder of everything the service keeps.")] = "data"
    server: ServerSettings = ServerSettings()
    access: AccessSettings = AccessSettings()  # noqa: RUF009 - frozen
    issuers: tuple[IssuerSettings, ...] = ()
    models: ModelSettings = ModelSettings()  # noqa: RUF009 - frozen
    storage: StorageSettings = StorageSettings()  # noqa: RUF009 - frozen
    runners: RunnerSettings = RunnerSettings()  # noqa: RUF009 - frozen
    sessions: SessionSettings = SessionSettings()
    audit: AuditSettings = AuditSettings()
    jobs: JobSettings = JobSettings()  # noqa: RUF009 - frozen
    artifacts: ArtifactSettings = ArtifactSettings()  # noqa: RUF009 - frozen
    downloads: DownloadSettings = DownloadSettings()  # noqa: RUF009 - frozen
    routing: RoutingSettings = RoutingSettings()  # noqa: RUF009 - frozen
    routes: tuple[RouteSettings, ...] = ()
    providers: tuple[ProviderSettings, ...] = ()
    logging: LoggingSettings = LoggingSettings()

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


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings file, lay the environment over it, and check everything.

    Args:
        path: the file; `None` reads `pluggably.toml` in the working folder, if there is one.
        environ: the environment variables.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; all of it is said at once.
    """
    tree = _read(path or DEFAULT_FILE, required=path is not None)
    for name, raw in sorted(environ.items()):
        if name.startswith(PREFIX) and name != CLIENT_KEY:
            _lay_over(tree, name.removeprefix(PREFIX).lower().split("__"), _value(raw), name)
    try:
        settings = structure(tree, Settings)
    except InvalidRequest as error:
        lines = [f"  {_key(violation.pointer)}: {violation.message}" for violation in error.violations]
        raise SettingsError(
            detail="These settings are wrong:\n" + "\n".join(lines), violations=error.violations
        ) from error
    _check_access(settings)
    _check_providers(settings)
    _check_routes(settings.routes)
    _check_sessions(settings.sessions)
    _check_variables(settings.audit, "audit", "signing_key_env")
    _check_artifacts(settings.artifacts)
    _check_downloads(settings.downloads)
    return settings


def with_address(settings: Settings, host: str | None, port: int | None, workers: int | None = None) -> Settings:
    """The settings with another address to listen on, or other workers, where they are given."""
    server = settings.server
    return evolve(
        settings,
        server=evolve(
            server,
            host=host or server.host,
            port=server.port if port is None else port,
            workers=workers or server.workers,
        ),
    )


def require_loopback(settings: Settings) -> None:
    """Refuse to serve strangers without credentials.

    Raises:
        SettingsError: the address can be reached from other machines.
    """
    host = settings.server.host
    if not settings.access.methods and not is_loopback(host):
        raise SettingsError(
            detail=f"Not listening on {host}: no credentials are configured, so everyone who can reach that address "
            "could use every model, key and session. Set access.methods, or listen on 127.0.0.1.",
            violations=(
                Violation(pointer="/server/host", message="must be a loopback address", allowed=("127.0.0.1",)),
            ),
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine has that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if required:
            raise SettingsError(detail=f"There is no settings file {path}.") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(detail=f"The settings file {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(detail=f"The settings file {path} is not TOML: {error}.") from error


def _lay_over(tree: dict[str, Any], keys: list[str], value: Any, name: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise SettingsError(detail=f"The environment variable {name} names a key inside {key!r}, which has none.")
    tree[keys[-1]] = value


def _value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return raw


def _key(pointer: str) -> str:
    return ".".join(pointer.removeprefix("/").split("/")) or "file"


def _check_access(settings: Settings) -> None:
    methods, names = settings.access.methods, [issuer.name for issuer in settings.issuers]
    _check_variables(settings.access, "access", "secret_env")
    if "jwt" in methods and settings.access.secret_env is None:
        raise SettingsError(
            detail="access.methods has 'jwt', which needs access.secret_env: the name of the environment variable that "
            "holds the secret of its tokens."
        )
    if "oidc" in methods and not names:
        raise SettingsError(
            detail="access.methods has 'oidc', which needs an [[issuers]] table for each issuer whose tokens are taken."
        )
    if names and "oidc" not in methods:
        raise SettingsError(
            detail="There are [[issuers]], but access.methods has no 'oidc': add it, or take the issuers away."
        )
    if len(set(names)) < len(names) or not all(re.fullmatch(r"(?!jwt$)[\w.-]+", it) for it in names):
        raise SettingsError(
            detail="Issuers need names of their own, of letters, digits, '_', '.' and '-'; none is 'jwt'."
        )
    urls = [issuer.issuer for issuer in settings.issuers] + [settings.access.secret_issuer] * ("jwt" in methods)
    if len(set(urls)) < len(urls):
        raise SettingsError(detail="Two issuers have the same URL, so that nobody knows whose a token is.")
    if len([it for it in settings.issuers if it.introspection_url]) > 1:
        raise SettingsError(
            detail="Only one issuer may have introspection_url: whose a token is that is no JWT is not known, and no "
            "other issuer must see it."
        )
    for issuer in settings.issuers:
        _check_variables(issuer, "issuers", "client_secret_env")
        for key in ("issuer", "jwks_url", "introspection_url"):
            _check_url(url := getattr(issuer, key), f"issuers.{key}", path=True)
            if url and urlsplit(url).scheme != "https" and not is_loopback(urlsplit(url).hostname or ""):
                raise SettingsError(detail=f"issuers.{key} must begin with https://, unless it is on this machine.")
        if issuer.introspection_url and not (issuer.client_id and issuer.client_secret_env):
            raise SettingsError(
                detail="issuers.introspection_url needs issuers.client_id and issuers.client_secret_env."
            )


def _check_providers(settings: Settings) -> None:
    names = [provider.name for provider in settings.providers]
    doubled = {name for name in names if names.count(name) > 1}
    if LOCAL in names or doubled:
        what = (
            f"{LOCAL!r} means the models that run here" if LOCAL in names else f"two are called {sorted(doubled)[0]!r}"
        )
        raise SettingsError(detail=f"Providers need names of their own: {what}.")


def _check_routes(routes: tuple[RouteSettings, ...]) -> None:
    names = {route.name for route in routes}
    if len(names) < len(routes):
        raise SettingsError(detail="Routes need names of their own.")
    for route in routes:
        models = [it for tier in route.models for it in ((tier,) if isinstance(tier, str) else tier)]
        if not models or not all(route.models):
            raise SettingsError(detail=f"routes: {route.name!r} needs models, and no empty list among them.")
        if nested := names & set(models):
            raise SettingsError(detail=f"routes: {route.name!r} names {min(nested)!r}, which is a route itself.")
        if unknown := set(route.weights) - set(models):
            raise SettingsError(detail=f"routes: {route.name!r} weighs {min(unknown)!r}, which is none of its models.")
        if any(weight <= 0 for weight in route.weights.values()):
            raise SettingsError(detail=f"routes: the weights of {route.name!r} must be above 0.")


def _check_variables(section: object, table: str, *keys: str) -> None:
    """What is wrong is not repeated: it may be the secret itself."""
    for key in keys:
        if not re.fullmatch(r"[A-Za-z_]\w*", getattr(section, key) or "_", re.ASCII):
            raise SettingsError(
                detail=f"{table}.{key} must be the name of an environment variable. What it holds does not stand here."
            )


def _check_sessions(sessions: SessionSettings) -> None:
    _check_variables(sessions, "sessions", "url_env", "master_key_env")
    if sessions.store == "postgres" and sessions.url_env is None:
        raise SettingsError(
            detail="sessions.store = 'postgres' needs sessions.url_env: the name of the environment variable that "
            "holds the connection URL."
        )


def _check_artifacts(artifacts: ArtifactSettings) -> None:
    _check_variables(artifacts, "artifacts", "url_keys_env", "s3_access_key_env", "s3_secret_key_env")
    if artifacts.store == "s3" and not (artifacts.s3_endpoint and artifacts.s3_bucket):
        raise SettingsError(detail="artifacts.store = 's3' needs artifacts.s3_endpoint and artifacts.s3_bucket.")
    for key in ("public_url", "s3_endpoint", "s3_public_endpoint"):
        _check_url(getattr(artifacts, key), f"artifacts.{key}", path=key == "public_url")
    for origin in artifacts.fetch_private_origins:
        _check_url(origin, "artifacts.fetch_private_origins", path=False)


def _check_downloads(downloads: DownloadSettings) -> None:
    _check_variables(downloads, "downloads", "hub_token_env", "s3_access_key_env", "s3_secret_key_env")
    _check_url(downloads.hub_endpoint, "downloads.hub_endpoint", path=True)
    _check_url(downloads.s3_endpoint, "downloads.s3_endpoint", path=False)
    for origin in downloads.private_origins:
        _check_url(origin, "downloads.private_origins", path=False)


def _check_url(url: str | None, key: str, *, path: bool) -> None:
    try:
        found = urlsplit(url or "http://x")
        whole = found.scheme in ("http", "https") and found.hostname and "@" not in found.netloc
    except ValueError:
        whole = False
    if not whole or found.query or found.fragment or (found.path.strip("/") and not path):
        raise SettingsError(detail=f"{key} must be like https://example.com, without anything behind the host or port.")
