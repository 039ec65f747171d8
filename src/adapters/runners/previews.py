"""Small pictures of what a pipeline has come to, while it works.

What a scheduler of diffusers 0.42 holds for the finished picture is shown where it says so; else its latents, which are
noise at first.
"""

from functools import wraps
from typing import Any

import torch
from attrs import define, field
from torch.nn.functional import interpolate

from .diffusers_folder import Pipeline, Scheduler
from .image_files import PREVIEW_PIXELS, preview_png

_PICTURE_DIMENSIONS = 4  # batch, channels, height, width; others are packed for a transformer


@define(eq=False)
class Previews:
    """A preview each time `every` steps are done; never without `every`."""

    _pipeline: Pipeline
    _every: int | None
    _latents: torch.Tensor | None = field(init=False, default=None)

    def watch(self, scheduler: Scheduler) -> None:
        """Remember what each step of this scheduler comes to, without changing it."""
        if self._every is None:
            return
        step = scheduler.step

        @wraps(step)  # pipelines look at its signature
        def watched(*args: Any, return_dict: bool = True, **more: Any) -> Any:
            output = step(*args, return_dict=True, **more)
            finished = getattr(output, "pred_original_sample", None)
            self._latents = output.prev_sample if finished is None else finished
            return output if return_dict else output.to_tuple()

        scheduler.step = watched

    @torch.no_grad()
    def after(self, steps: int) -> bytes | None:
        """The preview to show after that many steps, as PNG."""
        vae, latents = getattr(self._pipeline, "vae", None), self._latents
        if self._every is None or steps % self._every or vae is None or latents is None:
            return None
        if latents.dim() != _PICTURE_DIMENSIONS or latents.shape[1] != vae.config.latent_channels:
            return None
        scale = PREVIEW_PIXELS / (max(latents.shape[-2:]) * self._pipeline.vae_scale_factor)
        small = interpolate(latents, scale_factor=scale, mode="area") if scale < 1 else latents
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        decoded = vae.decode(small.to(vae.dtype) / vae.config.scaling_factor + shift, return_dict=False)[0]
        return preview_png(self._pipeline.image_processor.postprocess(decoded, output_type="pil")[0])
