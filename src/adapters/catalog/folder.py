"""The models in folders of this machine: GGUF files, safetensors folders and diffusion pipelines, found by looking.

Nothing is loaded and no weights are read, so a scan takes milliseconds for each new file and next to nothing for the
others. A file that is being copied here shows as incomplete until it is whole; one that a program preallocated looks
whole before it is, as only a checksum could tell.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field

from ...domain.discovery import Nameable, Names, unique_names
from ...domain.model import LOCAL, EngineProfile, Modality, Model, ModelStatus
from .found import Found, find_models
from .readings import Problem, Readings, Seen

ENGINES = {"gguf": "llama_cpp", "safetensors": "transformers_text"}
"""The engine that runs each format of text models; of a pipeline its class says it."""

SHIPPED = Path(__file__).parent / "shipped"
"""The models that come with this package, to try things without a network."""

_INSTALL = {"llama_cpp": "pip install xllamacpp"}


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

    async def models(self) -> Sequence[Model]:
        """All models, by id."""
        readings = Readings(self._readings)
        models = await asyncio.to_thread(self._scan, readings)
        self._readings = readings.now
        return models

    def match(self, model_id: str) -> Model | None:  # noqa: ARG002 - the port's signature
        """None: what is not on the disk cannot be asked for."""
        return None

    def _scan(self, readings: Readings) -> list[Model]:
        found = {it.path: it for root in self.roots for it in find_models(root, readings)}
        places = [Nameable(it.name, it.label or it.quantization, it.place, it.modified_at) for it in found.values()]
        named = zip(unique_names(places), found.values(), strict=True)
        return sorted((self._model(names, it) for names, it in named), key=lambda model: model.id)

    def _model(self, names: Names, it: Found) -> Model:
        engine = it.pipeline.engine if it.pipeline else ENGINES.get(it.format)
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
            context_length=it.context_length,
            license=it.license,
            source=it.source,
            status=problem.status if problem else ModelStatus.AVAILABLE,
            reason=problem.reason if problem else None,
            created_at=it.modified_at,
        )


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
    return (engine | {"streaming"}) - {"chat"} | ({"chat"} if it.has_chat_template else set())


def _not_installed(engine: str) -> Problem:
    install = _INSTALL.get(engine, "pip install 'pluggably[local]'")
    return Problem(ModelStatus.UNSUPPORTED, f"its engine {engine} is not installed: {install}")
