"""What models come from and run on, for the composition root; each adapter is imported when it is built."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from ...application.artifact_ports import Egress
from ...application.catalog import Catalog
from ...application.model_ports import ModelRegistry, ModelUses
from ...application.ports import Generator, ModelSource
from ...application.routes import RouteModels
from ...domain.model import LOCAL, EngineProfile, Modality
from ...domain.parameters import PARAMETERS, Parameters
from ...domain.storage import StoragePolicy
from ..settings import ProviderSettings, Settings, SettingsError
from ..structuring import structure
from .environment import secret
from .plugins import adapter_path, load_adapter
from .routing import routes

if TYPE_CHECKING:
    from ...adapters.catalog.files import LocalModelFiles
    from ...adapters.catalog.folder import ModelFolder
    from ...adapters.database.sql import Database
    from ...adapters.runners.engines import EngineSpec
    from ...adapters.runners.pool import LocalRunners
    from ...adapters.runners.ray_serve.host import RayRunners

Runners: TypeAlias = "LocalRunners | RayRunners"


def engines(settings: Settings) -> "dict[str, EngineSpec]":
    """What runs models: ours, and those that are configured."""
    from ...adapters.runners.engines import ENGINES, text_engine

    added = {
        name: text_engine(name, adapter_path(path, f"runners.engines.{name}"))
        for name, path in settings.runners.engines.items()
    }
    return {**ENGINES, **added}


def runners(settings: Settings, engines: "Mapping[str, EngineSpec]") -> "Runners":
    """The local models that are loaded, in the host that the settings name."""
    if settings.runners.host == "ray":
        from .ray import ray_runners

        return ray_runners(settings, engines)
    from ...adapters.runners.pool import LocalRunners

    wanted = settings.runners
    memory = {} if wanted.memory_limit_bytes is None else {"memory_limit_bytes": wanted.memory_limit_bytes}
    return LocalRunners(
        engines=engines,
        parallel=wanted.parallel,
        queue_limit=wanted.queue_limit,
        keep_alive_s=wanted.keep_alive_s,
        cooldown_s=wanted.cooldown_s,
        threads=wanted.threads,
        context_length=wanted.context_length,
        **memory,
    )


def model_folder(settings: Settings, engines: "Mapping[str, EngineSpec]") -> "ModelFolder":
    """The configured folders."""
    from ...adapters.catalog.folder import ModelFolder

    return ModelFolder(settings.model_folders, _profiles(engines))


def sources(
    settings: Settings, folder: ModelSource, engines: "Mapping[str, EngineSpec]", remotes: Mapping[str, ModelSource]
) -> Sequence[ModelSource]:
    """Routes, the configured folders, then what is shipped, so that none of that takes a name away; then providers."""
    from ...adapters.catalog.folder import SHIPPED, ModelFolder

    shipped = [ModelFolder((SHIPPED,), _profiles(engines))] if settings.models.shipped else []
    models = [folder, *shipped, *remotes.values()]
    return [RouteModels(routes(settings), models), *models]


def _profiles(engines: "Mapping[str, EngineSpec]") -> "dict[str, EngineProfile]":
    return {name: spec.profile for name, spec in engines.items() if spec.installed}


def model_files(folder: "ModelFolder") -> "LocalModelFiles":
    """The files in the configured folders."""
    from ...adapters.catalog.files import LocalModelFiles

    return LocalModelFiles(folder)


def registry(database: "Database") -> ModelRegistry:
    """What operators say of models."""
    from ...adapters.catalog.registry import SqlModelRegistry

    return SqlModelRegistry(database)


def uses(database: "Database") -> ModelUses:
    """When models were used last."""
    from ...adapters.catalog.registry import SqlModelUses

    return SqlModelUses(database)


def storage_policy(settings: Settings) -> StoragePolicy:
    """How much of the disk models may take."""
    wanted = settings.storage
    return StoragePolicy(
        max_bytes=wanted.max_bytes,
        min_free_bytes=wanted.min_free_bytes,
        keep_unused=None if wanted.unused_days is None else timedelta(days=wanted.unused_days),
    )


def read_parameters(modality: Modality, values: Mapping[str, Any]) -> Parameters:
    """Parameters of a modality that come from outside."""
    return structure(dict(values), PARAMETERS[modality], at="/parameters")


def remotes(settings: Settings, egress: Callable[[], Egress]) -> dict[str, Any]:
    """The providers by name; each is both a `Generator` and a `ModelSource`."""
    return {provider.name: _remote(provider, egress) for provider in settings.providers}


def _remote(provider: ProviderSettings, egress: Callable[[], Egress]) -> Any:
    """A provider; one whose class says `takes_egress` is given the way to URLs that its answers name."""
    from ...adapters.providers.kinds import KINDS

    setting = f"providers.{provider.name}"
    kind = load_adapter(KINDS.get(provider.kind, provider.kind), f"{setting}.kind", tuple(KINDS))
    try:
        return kind(
            name=provider.name,
            base_url=provider.base_url,
            api_key=_api_key(provider),
            models=provider.models,
            **({"egress": egress()} if getattr(kind, "takes_egress", False) else {}),
            **provider.options,
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(detail=f"{setting}.options does not suit {provider.kind!r}: {error}.") from error


def _api_key(provider: ProviderSettings) -> str | None:
    if provider.api_key_env is None:
        return None
    return secret(provider.api_key_env, f"Provider {provider.name!r} takes its key")


def catalog(
    settings: Settings,
    sources: Sequence[ModelSource],
    runners: "Runners",
    registry: ModelRegistry | None = None,
    uses: ModelUses | None = None,
) -> Catalog:
    """All models."""
    return Catalog(
        sources=sources,
        runners=runners,
        aliases=settings.models.aliases,
        defaults=settings.models.defaults,
        registry=registry,
        uses=uses,
        on_pins=runners.keep,
    )


def generators(runners: Generator, remotes: Mapping[str, Generator]) -> dict[str, Generator]:
    """The backends by provider name."""
    return {LOCAL: runners, **remotes}
