"""What a diffusers folder recommends for a request, and which sizes of pictures it makes.

Its card says the one (`inference: parameters:` in the head of `README.md`), the configurations of UNet and autoencoder
the other: the UNet's `sample_size` is that of the latents, and each of the autoencoder's blocks but one halves a
picture. Pipelines without a UNet are left alone: each class of them has rules of its own.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from ...domain.bounds import Bounds, picture_bounds
from ...domain.parameters import ImageParameters, recommended
from .safetensors import CONFIG, read_json

_NAMES: Mapping[str, str] = {
    "width": "width",
    "height": "height",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance_scale",
    "strength": "strength",
}
"""What diffusers calls the parameters that a card may name, and what they are called here."""

_MOST_BLOCKS = 8
_LARGEST_LATENTS = 1024


@frozen
class PictureFacts:
    """Values of parameters that a pipeline's files recommend, and what it takes of those that it bounds."""

    defaults: Mapping[str, Any] = field(factory=dict)
    bounds: Mapping[str, Bounds] = field(factory=dict)


def read_picture_facts(
    folder: Path, parts: Mapping[str, Collection[str]], inference: Mapping[str, float]
) -> PictureFacts:
    """Read what the folder says; `inference` is what its card does.

    Raises:
        MalformedSafetensors: a configuration is damaged.
        OSError: one cannot be read.
    """
    said = {_NAMES[name]: value for name, value in inference.items() if name in _NAMES}
    own = _own_size(folder) if all(CONFIG in parts.get(part, ()) for part in ("unet", "vae")) else None
    if own is None:
        return PictureFacts(recommended(said, ImageParameters))
    side, scale = own
    defaults = recommended({"width": side, "height": side, **said}, ImageParameters)
    return PictureFacts(defaults, picture_bounds(defaults.get("width", side), defaults.get("height", side), scale))


def _own_size(folder: Path) -> tuple[int, int] | None:
    """The side of its square pictures, and by how much its latents are smaller."""
    latents = read_json(folder / "unet" / CONFIG, dict[str, Any]).get("sample_size")
    blocks = read_json(folder / "vae" / CONFIG, dict[str, Any]).get("block_out_channels")
    match latents, blocks:
        case int(size), list(blocks) if 0 < size <= _LARGEST_LATENTS and 0 < len(blocks) <= _MOST_BLOCKS:
            scale = 2 ** (len(blocks) - 1)
            return size * scale, scale
        case _:
            return None
