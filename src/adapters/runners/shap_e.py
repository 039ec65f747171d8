"""Text to 3D and image to 3D with the two Shap-E pipelines of diffusers 0.42.

`ShapEPipeline` reads words, `ShapEImg2ImgPipeline` sees one picture and reads none. Both make a latent code in steps;
its renderer turns that into signed distances and colours on a grid, and those into a mesh. What a request leaves open
is what the model's card says suits it, else the pipeline's own default. The same seed and request give the same bytes.

Requests are worked on one at a time: the renderer writes the code into its own weights, and the tokenizers of
transformers 5.23 keep as a state how to pad and cut, which pipelines change on their way.
"""

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import torch
from attrs import evolve
from diffusers import ShapEImg2ImgPipeline, ShapEPipeline

from ...domain.errors import InvalidRequest, RunnerBadOutput
from ...domain.generation import Completed, FinishReason, GenerationRequest, Usage
from ...domain.parameters import Model3DParameters
from .diffusers_folder import Pipeline, call_defaults, card_settings, load_pipeline
from .engine import Emit, EngineOptions, Stopped
from .image_files import open_pictures
from .mesh_files import NO_SURFACE, Surface, write_mesh
from .prompts import PromptReader, prompt_of
from .schedulers import new_scheduler
from .seeds import seed_of
from .steps import Abandoned, Steps
from .workspace import workspace_of

GRID = 64
"""Points along each edge of the grid, if the card does not say (`grid_size`). The pipelines take 128: four times the
triangles, and ten times the time."""

SLACK = 1.01
"""How far beyond the renderer's volume a mesh may reach."""


class ShapEEngine:
    """One folder, loaded."""

    def __init__(self, options: EngineOptions) -> None:
        """Load the pipeline."""
        if options.threads:
            torch.set_num_threads(options.threads)
        self._pipeline = load_pipeline(options.path)
        if not isinstance(self._pipeline, ShapEPipeline | ShapEImg2ImgPipeline):
            raise TypeError(f"{type(self._pipeline).__name__} is not Shap-E")
        self._defaults = {**call_defaults(self._pipeline), "grid_size": GRID, **card_settings(options.path)}
        self._reader = PromptReader.of(self._pipeline, self._defaults)
        self._alone = Lock()
        self.context_length = self._reader.limit

    def generate(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> None:
        """Make the mesh."""
        with self._alone, suppress(Abandoned):
            emit(self._completed(request, emit, stopped))

    def close(self) -> None:
        """Free the model."""
        del self._pipeline

    def _completed(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> Completed:
        parameters, folder = request.parameters_as(Model3DParameters), workspace_of(request)
        wish, tokens = self._wish(request)
        seed, steps = seed_of(parameters.seed), Steps(emit, stopped)
        surface = self._surface(self._code(wish, parameters, seed, steps), steps)
        file = write_mesh(finished(surface, parameters), folder / "0", parameters.format or "glb")
        return Completed(
            output=(),
            finish_reason=FinishReason.STOP,
            usage=Usage(input_tokens=tokens, source="runner"),
            seed=seed,
            files=(file,),
        )

    def _wish(self, request: GenerationRequest) -> tuple[dict[str, Any], int]:
        """What the pipeline is called with, and how many tokens that has."""
        prompt, pictures = prompt_of(request), open_pictures(request.files)
        if pictures.mask:
            raise InvalidRequest.at("/input", "this model has no use for a mask")
        if isinstance(self._pipeline, ShapEImg2ImgPipeline):
            if pictures.image is None:
                raise InvalidRequest.at("/input", "this model makes 3D of a picture, and there is none", ("one image",))
            return {"image": pictures.image}, 0
        if pictures.image or not prompt:
            raise InvalidRequest.at("/input", "this model makes 3D of words, and of nothing else", ("text",))
        return {"prompt": prompt}, self._reader.count(prompt)

    def _code(self, wish: Mapping[str, Any], parameters: Model3DParameters, seed: int, steps: Steps) -> torch.Tensor:
        count = parameters.steps or self._defaults["num_inference_steps"]
        guidance = parameters.guidance_scale
        pipeline: Pipeline = copy(self._pipeline)
        pipeline.scheduler = new_scheduler(pipeline.scheduler, None)
        pipeline.progress_bar = partial(steps.bar, total=count)  # Heun's 16 steps are 31 ticks
        made = pipeline(
            **wish,
            num_inference_steps=count,
            guidance_scale=self._defaults["guidance_scale"] if guidance is None else guidance,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="latent",
        )
        code: torch.Tensor = made.images[:1]
        return code

    def _surface(self, code: torch.Tensor, steps: Steps) -> Surface:
        renderer = self._pipeline.shap_e_renderer
        hook = renderer.mlp.register_forward_pre_hook(lambda *_: steps.go_on())
        try:
            mesh = renderer.decode_to_mesh(code, self._pipeline.device, grid_size=self._defaults["grid_size"])
        except ValueError as exc:  # what diffusers 0.42 makes of a field that is nowhere positive
            raise RunnerBadOutput(detail=NO_SURFACE) from exc
        finally:
            hook.remove()
        colours = np.stack([mesh.vertex_channels[channel].cpu().numpy() for channel in "RGB"], axis=-1)
        vertices, faces = mesh.verts.cpu().numpy(), mesh.faces.cpu().numpy()
        surface = Surface(vertices=vertices, faces=faces, colours=colours)
        surface.check(SLACK * float(renderer.volume.bbox_max.abs().max()))
        return surface


def finished(surface: Surface, parameters: Model3DParameters) -> Surface:
    """The surface as it was asked for."""
    if parameters.texture is False:
        surface = evolve(surface, colours=None)
    return surface.simplified(parameters.target_faces) if parameters.target_faces else surface
