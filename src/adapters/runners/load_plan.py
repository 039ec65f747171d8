"""How a model is to be loaded, wherever its runner is: by which engine, with which options, in how much memory."""

from collections.abc import Mapping

from attrs import frozen

from ...domain.errors import ModelNotFound
from ...domain.memory import ORDINARY_CONTEXT_TOKENS, estimate_bytes
from ...domain.model import Model
from .engine import EngineOptions
from .engines import EngineSpec
from .shared_context import shared_tokens


@frozen(kw_only=True)
class LoadPlan:
    """What is the same for all models: the engines there are, and what these are handed."""

    engines: Mapping[str, EngineSpec]
    parallel: int
    threads: int | None
    context_length: int | None

    def spec(self, model: Model) -> EngineSpec:
        """The model's engine.

        Raises:
            ModelNotFound: there is no such engine here.
        """
        if (spec := self.engines.get(model.engine or "")) is None:
            raise ModelNotFound(detail=f"Model {model.id!r} needs an engine that is not installed.", selector=model.id)
        return spec

    def options(self, model: Model) -> EngineOptions:
        """What the engine is handed.

        Raises:
            ModelNotFound: the model has no files here.
        """
        if model.path is None:
            raise ModelNotFound(detail=f"Model {model.id!r} has no files here.", selector=model.id)
        limits = [length for length in (self.context_length, model.context_length) if length]
        return EngineOptions(
            path=model.path,
            context_length=min(limits, default=None),
            parallel=self.parallel_of(model),
            threads=self.threads,
        )

    def parallel_of(self, model: Model) -> int:
        """How many requests one runner of the model works on at once."""
        spec = self.engines.get(model.engine or "")
        return min(self.parallel, spec.parallel or self.parallel) if spec else self.parallel

    def needed_bytes(self, model: Model) -> int:
        """About how much memory one runner of it takes.

        Raises:
            ModelNotFound: as `spec` and `options`.
        """
        options = self.options(model)
        return estimate_bytes(
            self.spec(model).profile.footprint,
            file_bytes=model.size_bytes or 0,
            stored_as=model.quantization,
            context_tokens=shared_tokens(options.context_length or ORDINARY_CONTEXT_TOKENS, options.parallel),
            token_bytes=model.context_bytes,
        )
