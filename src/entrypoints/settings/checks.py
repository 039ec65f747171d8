"""What no type says of the settings: that they go together."""

import re
from urllib.parse import urlsplit

from ...domain.model import LOCAL
from .address import is_loopback
from .artifacts import ArtifactSettings
from .downloads import DownloadSettings
from .error import SettingsError
from .routing import RouteSettings, RoutingSettings
from .server import ServerSettings
from .sessions import SessionSettings
from .tables import Settings


def expect_sense(settings: Settings) -> None:
    """Insist that the tables go together.

    Raises:
        SettingsError: they do not; says which, and what to do.
    """
    _check_server(settings.server)
    _check_access(settings)
    _check_providers(settings)
    _check_routes(settings.routes, settings.routing)
    _check_sessions(settings.sessions)
    _check_variables(settings.audit, "audit", "signing_key_env")
    _check_artifacts(settings.artifacts)
    _check_downloads(settings.downloads)
    _check_ray(settings)


def _check_server(server: ServerSettings) -> None:
    for origin in server.cors_origins:
        _check_url(origin, "server.cors_origins", path=False)
        if origin != origin.lower().rstrip("/"):
            raise SettingsError(
                detail="server.cors_origins are as browsers have them: https://example.com, in lower case and without "
                "a slash at the end."
            )


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


def _check_routes(routes: tuple[RouteSettings, ...], routing: RoutingSettings) -> None:
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
        if route.hedge_after_ms and (len(set(models)) == 1 or routing.attempts == 1):
            raise SettingsError(
                detail=f"routes: {route.name!r} has hedge_after_ms: it needs two models, and routing.attempts above 1."
            )


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


def _check_ray(settings: Settings) -> None:
    if settings.ray.max_replicas < settings.ray.min_replicas:
        raise SettingsError(detail="ray.max_replicas must not be below ray.min_replicas.")
    if settings.ray.files_bucket and not settings.artifacts.s3_endpoint:
        raise SettingsError(detail="ray.files_bucket needs artifacts.s3_endpoint: the store that the bucket is in.")


def _check_url(url: str | None, key: str, *, path: bool) -> None:
    try:
        found = urlsplit(url or "http://x")
        whole = found.scheme in ("http", "https") and found.hostname and "@" not in found.netloc
    except ValueError:
        whole = False
    if not whole or found.query or found.fragment or (found.path.strip("/") and not path):
        raise SettingsError(detail=f"{key} must be like https://example.com, without anything behind the host or port.")
