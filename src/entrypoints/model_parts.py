"""What models come from and run on, for the composition root; each adapter is imported when it is built."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..application.catalog import Catalog
from ..application.ports import Generator, ModelSource, RunnerStatus
from ..domain.model import LOCAL
from .environment import secret
from .plugins import adapter_path, load_adapter
from .settings import ProviderSettings, Settings, SettingsError

if TYPE_CHECKING:
    from ..adapters.runners.engines import EngineSpec
    from ..adapters.runners.pool import LocalRunners


def engines(settings: Settings) -> "dict[str, EngineSpec]":
    """What runs models: ours, and those that are configured."""
    from ..adapters.runners.engines import ENGINES, text_engine

    added = {
        name: text_engine(name, adapter_path(path, f"runners.engines.{name}"))
        for name, path in settings.runners.engines.items()
    }
    return {**ENGINES, **added}


def runners(settings: Settings, engines: "Mapping[str, EngineSpec]") -> "LocalRunners":
    """The local models that are loaded."""
    from ..adapters.runners.pool import LocalRunners

    wanted = settings.runners
    memory = {} if wanted.memory_limit_bytes is None else {"memory_limit_bytes": wanted.memory_limit_bytes}
    return LocalRunners(
        engines=engines,
        parallel=wanted.parallel,
        queue_limit=wanted.queue_limit,
        keep_alive_s=wanted.keep_alive_s,
        threads=wanted.threads,
        context_length=wanted.context_length,
        **memory,
    )


def model_folders(settings: Settings, engines: "Mapping[str, EngineSpec]") -> Sequence[ModelSource]:
    """The configured folders, and after them what is shipped, so that a model there takes no name away from theirs."""
    from ..adapters.catalog.folder import SHIPPED, ModelFolder

    installed = {name: spec.profile for name, spec in engines.items() if spec.installed}
    places = (settings.model_folders, (SHIPPED,)) if settings.models.shipped else (settings.model_folders,)
    return [ModelFolder(folders, installed) for folders in places]


def remotes(settings: Settings) -> dict[str, Any]:
    """The providers by name; each is both a `Generator` and a `ModelSource`."""
    return {provider.name: _remote(provider) for provider in settings.providers}


def _remote(provider: ProviderSettings) -> Any:
    from ..adapters.providers.kinds import KINDS

    setting = f"providers.{provider.name}"
    kind = load_adapter(KINDS.get(provider.kind, provider.kind), f"{setting}.kind", tuple(KINDS))
    try:
        return kind(
            name=provider.name,
            base_url=provider.base_url,
            api_key=_api_key(provider),
            models=provider.models,
            **provider.options,
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(detail=f"{setting}.options does not suit {provider.kind!r}: {error}.") from error


def _api_key(provider: ProviderSettings) -> str | None:
    if provider.api_key_env is None:
        return None
    return secret(provider.api_key_env, f"Provider {provider.name!r} takes its key")


def catalog(
    settings: Settings, folders: Sequence[ModelSource], runners: RunnerStatus, remotes: Mapping[str, ModelSource]
) -> Catalog:
    """All models."""
    return Catalog(
        sources=[*folders, *remotes.values()],
        runners=runners,
        aliases=settings.models.aliases,
        defaults=settings.models.defaults,
    )


def generators(runners: Generator, remotes: Mapping[str, Generator]) -> dict[str, Generator]:
    """The backends by provider name."""
    return {LOCAL: runners, **remotes}
