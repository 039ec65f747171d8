"""The one declaration of every generation parameter: its type, range, unit, description and examples.

Validation, the parameter documentation and the OpenAPI schema are all read from these classes, so that what is
documented is what is checked. `None` means "not given": the model's own default applies. Which of them a model honours
is said by `Model.parameters`.
"""

from .choosing import CHOOSING
from .field import Field
from .image import ImageParameters
from .model_3d import Model3DParameters
from .names import IMAGE_PARAMETERS, MODEL_3D_PARAMETERS, PARAMETERS, TEXT_PARAMETERS, Parameters, given, with_presets
from .recommended import recommended
from .text import TextParameters

__all__ = [
    "CHOOSING",
    "IMAGE_PARAMETERS",
    "MODEL_3D_PARAMETERS",
    "PARAMETERS",
    "TEXT_PARAMETERS",
    "Field",
    "ImageParameters",
    "Model3DParameters",
    "Parameters",
    "TextParameters",
    "given",
    "recommended",
    "with_presets",
]
