"""The engines there are: adding one is one file and one line here, or one line of configuration from outside."""

from collections.abc import Mapping
from importlib.util import find_spec

from attrs import frozen

from ...domain.memory import Footprint
from ...domain.model import EngineProfile, Modality
from ...domain.parameters import IMAGE_PARAMETERS, MODEL_3D_PARAMETERS, TEXT_PARAMETERS

TORCH_BYTES = 450 * 2**20
"""A process with torch and the libraries over it, and no model (measured with those of a few MB: 452 to 456 MiB)."""


@frozen
class EngineSpec:
    """Where an engine is, `module:Class`, and what it can do; nothing is imported to know this.

    `parallel` is how many requests of a model it gains from working on at once, if not as many as there are. `gpu`:
    it computes on a GPU where there is one.
    """

    path: str
    profile: EngineProfile
    needs: tuple[str, ...] = ()
    parallel: int | None = None
    gpu: bool = False

    @property
    def installed(self) -> bool:
        """Whether the packages that it needs are here; none of them is imported to find out."""
        return all(find_spec(package) for package in self.needs)


def text_engine(
    name: str,
    path: str,
    parameters: frozenset[str] = TEXT_PARAMETERS,
    needs: tuple[str, ...] = (),
    footprint: Footprint = Footprint(),  # noqa: B008 - frozen
    *,
    gpu: bool = False,
) -> EngineSpec:
    """An engine for text at `module:Class`; what it honours is left to itself unless `parameters` says so."""
    profile = EngineProfile(
        name=name,
        modality=Modality.TEXT,
        parameters=parameters,
        capabilities=frozenset({"chat", "streaming"}),
        footprint=footprint,
    )
    return EngineSpec(path, profile, needs, gpu=gpu)


ENGINES: Mapping[str, EngineSpec] = {
    spec.profile.name: spec
    for spec in (
        text_engine(
            "llama_cpp",
            "pluggably.adapters.runners.llama_cpp:LlamaCppEngine",
            TEXT_PARAMETERS - {"tools", "tool_choice"},
            needs=("xllamacpp",),
        ),
        text_engine(
            "transformers_text",
            "pluggably.adapters.runners.transformers_text:TransformersTextEngine",
            TEXT_PARAMETERS - {"response_format", "tools", "tool_choice"},
            needs=("torch", "transformers"),
            footprint=Footprint(process_bytes=TORCH_BYTES, widens_float16=True, context="limited"),
            gpu=True,
        ),
        EngineSpec(
            "pluggably.adapters.runners.diffusers_image:DiffusersImageEngine",
            EngineProfile(
                name="diffusers_image",
                modality=Modality.IMAGE,
                parameters=IMAGE_PARAMETERS,
                capabilities=frozenset({"text-to-image", "image-to-image", "inpainting"}),
                footprint=Footprint(process_bytes=TORCH_BYTES, widens_float16=True, context="none"),
            ),
            needs=("torch", "diffusers", "transformers", "PIL"),
            gpu=True,
            parallel=1,  # a step keeps all cores busy: two at once take twice as long each
        ),
        EngineSpec(
            "pluggably.adapters.runners.shap_e:ShapEEngine",
            EngineProfile(
                name="shap_e",
                modality=Modality.MODEL_3D,
                parameters=MODEL_3D_PARAMETERS,
                capabilities=frozenset({"text-to-3d", "image-to-3d"}),
                footprint=Footprint(process_bytes=TORCH_BYTES, widens_float16=True, context="none"),
            ),
            needs=("torch", "diffusers", "transformers", "PIL", "trimesh", "fast_simplification"),
            gpu=True,
            parallel=1,
        ),
    )
}
