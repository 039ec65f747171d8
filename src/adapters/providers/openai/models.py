"""What the models of an OpenAI-compatible server take, as the configuration says: the server is not asked."""

from collections.abc import Sequence
from typing import Final

from attrs import evolve, frozen

from ....domain.model import Modality, Model
from ....domain.parameters import TEXT_PARAMETERS
from ..model_names import fits, is_pattern
from ..pictures.sizes import ImageSizes
from .image_kinds import KNOWN, WITH_IMAGES, ImageKind, kind_of

BEYOND_OPENAI: Final = frozenset({"top_k", "min_p", "repetition_penalty"})
"""The text parameters that OpenAI does not have; many compatible servers do."""


@frozen(kw_only=True)
class OpenAIModels:
    """Those that are `allowed`, by name or pattern; `images` are those of them that make pictures.

    `extra_parameters` are what the server honours beyond OpenAI. `image_sizes` and `image_edits` stand above what is
    known of a model by its name.
    """

    provider: str
    allowed: Sequence[str]
    images: Sequence[str] = KNOWN
    extra_parameters: frozenset[str] = frozenset()
    image_sizes: ImageSizes | None = None
    image_edits: bool | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what can have no meaning.

        Raises:
            ValueError: a parameter that does not exist, or a picture model that is none of the models.
        """
        if unknown := self.extra_parameters - BEYOND_OPENAI - WITH_IMAGES:
            known = sorted(BEYOND_OPENAI | WITH_IMAGES)
            raise ValueError(f"extra_parameters: {', '.join(sorted(unknown))} is not one of {known}")
        if stray := [name for name in self.images if not is_pattern(name) and not fits(name, self.allowed)]:
            raise ValueError(f"image_models: {stray[0]!r} is none of its models")

    def kind(self, name: str) -> ImageKind:
        """What a model takes that makes pictures."""
        kind = kind_of(name)
        inputs = {None: kind.most_inputs, False: 0, True: kind.most_inputs or 1}[self.image_edits]
        return evolve(
            kind,
            parameters=kind.parameters | (self.extra_parameters & WITH_IMAGES),
            sizes=self.image_sizes or kind.sizes,
            most_inputs=inputs,
            masks=kind.masks and inputs > 0,
        )

    def model(self, name: str) -> Model:
        """The model that the server calls so."""
        kind = self.kind(name) if fits(name, self.images) else None
        text = (TEXT_PARAMETERS - BEYOND_OPENAI) | (self.extra_parameters & BEYOND_OPENAI)
        return Model(
            id=f"{self.provider}/{name}",
            name=name,
            modality=Modality.IMAGE if kind else Modality.TEXT,
            provider=self.provider,
            upstream=name,
            origin="provider",
            parameters=kind.parameters if kind else text,
            capabilities=kind.capabilities if kind else frozenset(),
        )
