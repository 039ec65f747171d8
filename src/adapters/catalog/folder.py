"""The models in folders of this machine: GGUF files, safetensors folders and diffusion pipelines, found by looking.

Nothing is loaded and no weights are read, so a scan takes milliseconds for each new file and next to nothing for the
others. A file that is being copied here shows as incomplete until it is whole; one that a program preallocated looks
whole before it is, as only a checksum could tell.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from ...domain.discovery import Nameable, Names, unique_names
from ...domain.memory import Footprint, ordinary_bytes
from ...domain.model import LOCAL, EngineProfile, Modality, Model, ModelStatus
from .finding import find_models
from .found import Files, Found
from .readings import Problem, Readings, Seen
from .walk import walk

ENGINES = {"gguf": "llama_cpp", "safetensors": "transformers_text"}
"""The engine that runs each format of text models; of a pipeline its class says it."""

SHIPPED = Path(__file__).parent / "shipped"
"""The models that come with this package, to try things without a network."""

_INSTALL = {"llama_cpp": "pip install xllamacpp"}


@frozen
class Walked:
    """What was seen of a root."""

    root: Path
    folders: Sequence[tuple[Path, Files]]


@define
class ModelFolder:
    """A `ModelSource` of the models under `roots`.

    `engines` has the profiles, by name, of the engines that are installed; a model whose engine is not among them is
    listed as unsupported, with what to install. Ids come from file and folder names, see `unique_names`:
    `SmolLM2-135M-Instruct.Q4_1.gguf` is `smollm2-135m-instruct`, version `Q4_1`.

    Every call of `models` looks at all names and dates, because a file that grows in place leaves no trace in its
    folder's date; only files that are new or changed are opened.
    """

    roots: Sequence[Path]
    engines: Mapping[str, EngineProfile]
    _readings: Mapping[Seen, object] = field(init=False, factory=dict)
    _seen: Sequence[Walked] | None = field(init=False, default=None)
    _found: Mapping[str, Found] = field(init=False, factory=dict)
    _models: Sequence[Model] = field(init=False, factory=list)

    async def models(self) -> Sequence[Model]:
        """All models, by id; the same list again as long as nothing has changed."""
        return await asyncio.to_thread(self._look)

    def found_at(self, path: str) -> Found | None:
        """The model that is there, as of the last look."""
        return self._found.get(path)

    @property
    def found(self) -> Sequence[Found]:
        """All models, as of the last look."""
        return list(self._found.values())

    def match(self, model_id: str) -> Model | None:  # noqa: ARG002 - the port's signature
        """None: what is not on the disk cannot be asked for."""
        return None

    def _look(self) -> Sequence[Model]:
        roots = [root.resolve() for root in self.roots]
        seen = [Walked(root, list(walk(root))) for root in roots]
        if seen == self._seen:
            return self._models
        readings = Readings(self._readings)
        found = {it.path: it for there in seen for it in find_models(there.root, there.folders, readings)}
        self._models = self._named(found)
        self._found = {str(path): it for path, it in found.items()}
        self._readings, self._seen = readings.now, None if readings.failed else seen
        return self._models

    def _named(self, found: Mapping[Path, Found]) -> list[Model]:
        places = [Nameable(it.name, it.label or it.quantization, it.place, it.modified_at) for it in found.values()]
        named = zip(unique_names(places), found.values(), strict=True)
        return sorted((self._model(names, it) for names, it in named), key=lambda model: model.id)

    def _model(self, names: Names, it: Found) -> Model:
        engine = self._engine(it)
        profile = self.engines.get(engine or "")
        problem = it.problem or (_not_installed(engine) if engine and not profile else None)
        return Model(
            id=names.id,
            aliases=names.aliases,
            name=it.name,
            modality=_modality(it),
            provider=LOCAL,
            upstream=names.id,
            origin="discovered",
            parameters=_parameters(it, profile),
            version=it.label or it.quantization,
            engine=engine,
            path=str(it.path),
            capabilities=_capabilities(it, profile),
            size_bytes=it.size_bytes,
            quantization=it.quantization,
            architecture=it.architecture,
            context_length=it.context_length,
            context_bytes=it.context_bytes,
            memory_bytes=ordinary_bytes(
                profile.footprint if profile else Footprint(),
                file_bytes=it.size_bytes,
                stored_as=it.quantization,
                context_tokens=it.context_length,
                token_bytes=it.context_bytes,
            ),
            chat_template_sha256=it.chat_template_sha256,
            defaults=it.defaults,
            bounds=it.bounds,
            pickled=bool(it.problem and it.problem.pickled),
            license=it.license,
            gated=it.gated,
            source=it.source,
            status=problem.status if problem else ModelStatus.AVAILABLE,
            reason=problem.reason if problem else None,
            created_at=it.modified_at,
            arrived_at=it.arrived_at,
        )

    def _engine(self, it: Found) -> str | None:
        """Which engine runs it; pickles only one that says that it opens them."""
        if not (it.problem and it.problem.pickled):
            return it.pipeline.engine if it.pipeline else ENGINES.get(it.format)
        modality = _modality(it)
        fit = [name for name, it in self.engines.items() if it.opens_pickles and it.modality is modality]
        return fit[0] if fit else None


def _modality(it: Found) -> Modality:
    """What it makes; most pipelines that nothing here knows make pictures."""
    if it.format == "diffusers":
        return it.pipeline.modality if it.pipeline else Modality.IMAGE
    return Modality.TEXT


def _parameters(it: Found, profile: EngineProfile | None) -> frozenset[str]:
    honoured = profile.parameters if profile else frozenset()
    return honoured - it.pipeline.without if it.pipeline else honoured


def _capabilities(it: Found, profile: EngineProfile | None) -> frozenset[str]:
    """What its engine can do, but `chat` only with a template in the model's files."""
    engine = profile.capabilities if profile else frozenset()
    if it.format == "diffusers":
        return engine & it.pipeline.capabilities if it.pipeline else frozenset()
    return (engine | {"streaming"}) - {"chat"} | ({"chat"} if it.chat_template_sha256 else set())


def _not_installed(engine: str) -> Problem:
    install = _INSTALL.get(engine, "pip install 'pluggably[local]'")
    return Problem(ModelStatus.UNSUPPORTED, f"its engine {engine} is not installed: {install}")
