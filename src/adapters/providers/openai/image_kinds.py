"""What the models take that make pictures, by their names: OpenAI's own, and those of servers that speak like it.

https://platform.openai.com/docs/api-reference/images, as of November 2026. OpenAI itself has only `gpt-image` models
by now; the names of the retired `dall-e` ones live on with others. Any other name is a model of a compatible server
(LocalAI, vLLM-Omni, another gateway like this one), of which nothing is known beyond what the operator says.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from attrs import evolve, field, frozen

from ..pictures.sizes import ImageSizes
from .masks import INSTALLED

SIZE: Final = frozenset({"width", "height"})

WIRE_NAMES: Final[Mapping[str, str]] = {"n": "n", "format": "output_format", "preview_every": "partial_images"}
"""What OpenAI calls the parameters that go out as they are, but for the size; the rest have our names."""

BEYOND_OPENAI_IMAGES: Final = frozenset({"seed", "steps", "guidance_scale", "negative_prompt", "strength"})
"""Parameters that OpenAI's models do not have; many compatible servers do, under these names or others."""

WITH_IMAGES: Final = BEYOND_OPENAI_IMAGES | {"format", "preview_every"}
"""What a compatible server may honour besides `n` and the size."""


@frozen(kw_only=True)
class ImageKind:
    """What a model takes.

    It begins with `most_inputs` pictures at most, and paints into the first of them if it takes `masks`.
    `says_base64`: it has to be asked for bytes, and would else answer with URLs; OpenAI's own models know no such
    parameter.
    """

    parameters: frozenset[str] = SIZE | {"n"}
    sizes: ImageSizes = field(factory=ImageSizes)
    most_inputs: int = 0
    masks: bool = False
    says_base64: bool = True

    @property
    def capabilities(self) -> frozenset[str]:
        """What it does, in the words of the catalog."""
        edits = {"image-to-image", "inpainting"} if self.masks else {"image-to-image"}
        return frozenset({"text-to-image"} | (edits if self.most_inputs else set()))


_GPT_1: Final = ImageKind(
    parameters=SIZE | {"n", "format", "preview_every"},
    sizes=ImageSizes(named=("1024x1024", "1536x1024", "1024x1536")),
    most_inputs=16,
    masks=INSTALLED,
    says_base64=False,
)
_GPT_2: Final = evolve(_GPT_1, sizes=ImageSizes(multiple=16, longest=3840, ratio=3, pixels=3840 * 2160))
_DALL_E_3: Final = ImageKind(sizes=ImageSizes(named=("1024x1024", "1792x1024", "1024x1792")))
_DALL_E_2: Final = ImageKind(
    sizes=ImageSizes(named=("256x256", "512x512", "1024x1024")), most_inputs=1, masks=INSTALLED
)

KINDS: Final[Mapping[str, ImageKind]] = {
    "gpt-image-1*": _GPT_1,
    "chatgpt-image-*": _GPT_1,
    "gpt-image-*": _GPT_2,
    "dall-e-3*": _DALL_E_3,
    "dall-e-2*": _DALL_E_2,
}
"""By patterns, of which the first that fits counts."""

KNOWN: Final = tuple(it for pattern in KINDS for it in (pattern, f"*/{pattern}"))
"""Patterns of the names that are known to be of models that make pictures, also where a maker's stands before them."""


def kind_of(name: str) -> ImageKind:
    """What is known of the model with that name; what stands before its last slash does not matter."""
    last = name.rpartition("/")[2]
    return next((kind for pattern, kind in KINDS.items() if fnmatchcase(last, pattern)), ImageKind())
