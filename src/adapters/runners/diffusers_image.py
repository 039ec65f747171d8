"""Text to image, image to image and inpainting with any pipeline of diffusers 0.42 that makes pictures.

The class in `model_index.json` says what a folder can do; one for text to image also changes pictures, and paints into
them, if diffusers has classes for that which work on the same parts. A parameter that the class does not know is
refused. What a request leaves open is what the model's card says suits it, else the pipeline's own default.

Pictures are made one by one, each from a random generator on the processor with a seed of its own, by a pipeline and a
scheduler of its own over the same weights: its bytes depend on the request and its seed alone, not on how many are
made, nor on what came before. Requests are worked on one at a time: the tokenizers of transformers 5.23 keep as a state
how to pad and cut, which pipelines change on their way.

It cannot show previews of models whose latents are not laid out as a picture (Flux, Qwen-Image).
"""

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from threading import Lock
from typing import Any

import torch
from attrs import frozen
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
)
from diffusers.pipelines import auto_pipeline
from PIL import Image

from ...domain.errors import ContentPolicyViolation, InvalidRequest
from ...domain.generation import Completed, FinishReason, GenerationRequest, Usage
from ...domain.parameters import ImageParameters, given
from .diffusers_folder import Pipeline, Scheduler, call_defaults, card_settings, load_pipeline
from .engine import Emit, EngineOptions, Stopped
from .image_files import Pictures, open_pictures, write_picture
from .image_sizes import Sizes
from .previews import Previews
from .prompts import PromptReader, prompt_of
from .schedulers import new_scheduler
from .seeds import nth_seed, seed_of
from .steps import Abandoned, Steps
from .workspace import workspace_of

TASKS: Mapping[str, tuple[Any, Mapping[str, type]]] = {
    "text-to-image": (AutoPipelineForText2Image, auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING),
    "image-to-image": (AutoPipelineForImage2Image, auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING),
    "inpainting": (AutoPipelineForInpainting, auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING),
}

ARGUMENTS: Mapping[str, str] = {
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "negative_prompt": "negative_prompt",
    "strength": "strength",
}
"""What diffusers calls the parameters that are handed on as they are."""

UNGUIDED = (0.0, 1.0)
"""Default values of a pipeline's `true_cfg_scale` with which it never looks at a negative prompt (Flux)."""


@frozen(kw_only=True)
class Work:
    """What one request comes down to: a pipeline, and what to call it with."""

    pipeline: Pipeline
    arguments: Mapping[str, Any]
    pictures: Pictures
    input_tokens: int


class DiffusersImageEngine:
    """One folder, loaded."""

    def __init__(self, options: EngineOptions) -> None:
        """Load the pipeline."""
        if options.threads:
            torch.set_num_threads(options.threads)
        pipeline = load_pipeline(options.path)
        self._pipelines = pipelines_by_task(pipeline)
        self._card = card_settings(options.path)
        self._sizes = Sizes.of(pipeline, self._card)
        self._reader = PromptReader.of(pipeline, call_defaults(pipeline))
        self._alone = Lock()
        self.context_length = self._reader.limit

    def generate(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> None:
        """Make the pictures; `Completed.seed` is the first one's, and each further one has the next."""
        with self._alone, suppress(Abandoned):
            emit(self._completed(request, emit, stopped))

    def close(self) -> None:
        """Free the model."""
        del self._pipelines

    def _completed(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> Completed:
        parameters, folder = request.parameters_as(ImageParameters), workspace_of(request)
        work = self._understood(request, parameters)
        seed, count = seed_of(parameters.seed), parameters.n or 1
        previews = Previews(work.pipeline, parameters.preview_every)
        steps = Steps(emit, stopped, count, previews.after)
        files = []
        for number in range(count):
            scheduler = new_scheduler(work.pipeline.scheduler, parameters.scheduler)
            previews.watch(scheduler)
            picture = draw(work, scheduler, steps, nth_seed(seed, number))
            files.append(write_picture(picture, folder / str(number), parameters.format or "png"))
        return Completed(
            output=(),
            finish_reason=FinishReason.STOP,
            usage=Usage(input_tokens=work.input_tokens, source="runner"),
            seed=seed,
            files=tuple(files),
        )

    def _understood(self, request: GenerationRequest, parameters: ImageParameters) -> Work:
        prompt, pictures = prompt_of(request), open_pictures(request.files)
        pipeline = self._pipelines[self._task(prompt, pictures)]
        known = call_defaults(pipeline)
        refuse_unknown(parameters, known, pictures)
        self._sizes.check(parameters)
        if pictures.image:
            pictures = pictures.resized(*self._sizes.fitted(pictures.image.size, parameters))
        wanted = {**self._card, **self._size(parameters, pictures)}
        wanted |= {ARGUMENTS[name]: it for name, it in given(parameters).items() if name in ARGUMENTS}
        arguments = {name: it for name, it in wanted.items() if name in known}
        check_strength(arguments, known)
        tokens = self._reader.count(prompt)
        self._reader.count(parameters.negative_prompt or "")
        shown = {"image": pictures.image, "mask_image": pictures.mask}
        arguments |= {"prompt": prompt} | {name: it for name, it in shown.items() if it is not None}
        return Work(pipeline=pipeline, arguments=arguments, pictures=pictures, input_tokens=tokens)

    def _task(self, prompt: str, pictures: Pictures) -> str:
        task = "inpainting" if pictures.mask else "image-to-image" if pictures.image else "text-to-image"
        if task not in self._pipelines:
            raise InvalidRequest.at("/input", f"this model does no {task}", tuple(self._pipelines))
        if not prompt and task == "text-to-image":
            raise InvalidRequest.at("/input", "does not say what to show")
        return task

    def _size(self, parameters: ImageParameters, pictures: Pictures) -> dict[str, int]:
        if pictures.image:
            return {"width": pictures.image.width, "height": pictures.image.height}
        return {name: size for name in ("width", "height") if (size := getattr(parameters, name))}


def draw(work: Work, scheduler: Scheduler, steps: Steps, seed: int) -> Image.Image:
    """One picture.

    Raises:
        Abandoned: nobody waits for it any more.
        ContentPolicyViolation: the model's own filter holds it back.
    """
    pipeline = copy(work.pipeline)
    pipeline.scheduler = scheduler
    pipeline.progress_bar = steps.bar
    made = pipeline(**work.arguments, generator=torch.Generator("cpu").manual_seed(seed))
    if any(getattr(made, "nsfw_content_detected", None) or ()):
        raise ContentPolicyViolation(detail="The model's own filter held the picture back.")
    picture: Image.Image = made.images[0]
    before, mask = work.pictures.image, work.pictures.mask
    if before and mask and before.size == picture.size:
        return Image.composite(picture, before, mask)  # the model changes a little of what it was to leave alone
    return picture


def pipelines_by_task(pipeline: Pipeline) -> dict[str, Pipeline]:
    """A pipeline for each task that the loaded one can do, all over the same weights."""
    own = [task for task, (_, classes) in TASKS.items() if type(pipeline) in classes.values()]
    if "text-to-image" not in own:
        return dict.fromkeys(own, pipeline)
    found: dict[str, Pipeline] = {}
    for task, (automatic, _) in TASKS.items():
        try:
            found[task] = automatic.from_pipe(pipeline)
        except ValueError:  # there is no class for it, or it needs more parts
            continue
    return found


def refuse_unknown(parameters: ImageParameters, known: Mapping[str, Any], pictures: Pictures) -> None:
    """Refuse the parameters that would be without effect.

    Raises:
        InvalidRequest: there is one.
    """
    asked = given(parameters)
    if "strength" in asked and not pictures.image:
        raise InvalidRequest.at("/parameters/strength", "says how much of a picture may change, and none is given")
    sizes = {} if pictures.image else {"width": "width", "height": "height"}
    for name, argument in {**ARGUMENTS, **sizes}.items():
        unused = name == "negative_prompt" and known.get("true_cfg_scale") in UNGUIDED
        if name in asked and (argument not in known or unused):
            raise InvalidRequest.at(f"/parameters/{name}", "this model does not know it")


def check_strength(arguments: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse a strength that leaves no step to be done.

    Raises:
        InvalidRequest: it does.
    """
    steps, strength = ({**known, **arguments}.get(name) for name in ("num_inference_steps", "strength"))
    if steps and strength is not None and int(steps * strength) < 1:
        raise InvalidRequest.at(
            "/parameters/strength", f"of {steps} steps it leaves none; it must be {1 / steps:.2g} or more"
        )
