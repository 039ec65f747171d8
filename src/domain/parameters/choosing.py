"""How to choose a model: what to look at in the catalog, and what depends on it."""

from collections.abc import Mapping

from ..model import Modality

CHOOSING: Mapping[Modality, tuple[str, ...]] = {
    Modality.TEXT: (
        "Begin with what it must be able to do: `tools` to call functions, `vision` to see pictures (see "
        "`capabilities`).",
        "Input and output share `context_length`: a conversation that outgrows it is refused, unless the session's "
        "`context` policy cuts it.",
        "Of the rest take the smallest one that is good enough: time per token grows with `size_bytes`, and "
        "`memory_bytes` has to fit beside what is loaded.",
        "Of one model, a coarser `quantization` (Q4 before Q8 before F16) is smaller and faster, and a little worse.",
        "One that is `loaded` answers at once; an `available` one of this machine is loaded first.",
    ),
    Modality.IMAGE: (
        "Begin with what it begins with: words (`text-to-image`), a picture (`image-to-image`), or a picture and a "
        "mask (`inpainting`).",
        "Leave out `width` and `height`, or stay near the model's own: far from them pictures repeat themselves or "
        "fall apart, and time grows with the area.",
        "Leave out `steps` and `guidance_scale` at first: distilled models need a few steps and hardly any guidance, "
        "others twenty or more.",
        "Only one whose parameters have `negative_prompt` can be told what not to show.",
    ),
    Modality.MODEL_3D: (
        "Begin with what it begins with: words (`text-to-3d`) or a picture (`image-to-3d`).",
        "In a session, a picture of an earlier turn is taken where the model needs one: first a picture that pleases, "
        "then the mesh.",
        "`target_faces` simplifies the mesh once it is made: it makes the file smaller, and no time shorter.",
    ),
}
"""For each modality, the first thing first."""
