"""Which sizes of pictures a pipeline makes."""

from collections.abc import Mapping
from math import lcm
from typing import Any

from attrs import frozen

from ...domain.bounds import GROWTH, STRIDE, Bounds
from ...domain.errors import InvalidRequest
from ...domain.parameters import ImageParameters
from .diffusers_folder import Pipeline

UNKNOWN = 1024
"""The own size of models that do not say theirs."""


@frozen
class Sizes:
    """The model's own width and height in pixels, and what every width and height must be a multiple of."""

    width: int
    height: int
    multiple: int

    @classmethod
    def of(cls, pipeline: Pipeline, card: Mapping[str, Any]) -> "Sizes":
        """Those of a pipeline; `card` stands above it."""
        scale = getattr(pipeline, "vae_scale_factor", 1)
        processor = getattr(pipeline, "image_processor", None)
        width, height = _latents(pipeline, default=UNKNOWN // scale)
        return cls(
            card.get("width", width * scale),
            card.get("height", height * scale),
            lcm(STRIDE, processor.config.vae_scale_factor if processor else scale),
        )

    def check(self, parameters: ImageParameters) -> None:
        """Refuse sizes that the pipeline cannot make.

        Raises:
            InvalidRequest: there is one.
        """
        for name, own in (("width", self.width), ("height", self.height)):
            if (asked := getattr(parameters, name)) is None:
                continue
            if refused := Bounds(maximum=GROWTH * own, multiple_of=self.multiple).refusal(asked):
                raise InvalidRequest.at(f"/parameters/{name}", *refused)

    def fitted(self, picture: tuple[int, int], parameters: ImageParameters) -> tuple[int, int]:
        """The size to bring a picture to: what is asked for, and for the rest its own shape in the model's size."""
        width, height = parameters.width, parameters.height
        if width:
            scale = width / picture[0]
        elif height:
            scale = height / picture[1]
        else:
            scale = max(self.width, self.height) / max(picture)
        return (
            width or min(self._rounded(picture[0] * scale), GROWTH * self.width),
            height or min(self._rounded(picture[1] * scale), GROWTH * self.height),
        )

    def _rounded(self, side: float) -> int:
        return max(1, round(side / self.multiple)) * self.multiple


def _latents(pipeline: Pipeline, default: int) -> tuple[int, int]:
    """Width and height of the latents that the model was trained on."""
    config = getattr(getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None), "config", None)
    size = getattr(pipeline, "default_sample_size", None) or getattr(config, "sample_size", None) or default
    return (size, size) if isinstance(size, int) else (size[1], size[0])
