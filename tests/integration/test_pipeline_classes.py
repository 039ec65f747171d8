"""The catalog's table of pipelines is what diffusers says of its classes."""

from inspect import Parameter, signature

import diffusers
import pytest
from diffusers.pipelines import auto_pipeline

from pluggably.adapters.catalog.pipelines import KINDS
from pluggably.domain.model import Modality

TASKS = {
    "text-to-image": auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
    "image-to-image": auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
    "inpainting": auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
}
LEFT_OUT = ("Control", "Combined", "Helios", "Layered", "Kolors")
ARGUMENTS = ("negative_prompt", "strength", "guidance_scale")
UNGUIDED = (0.0, 1.0)  # with such a `true_cfg_scale` a negative prompt is never looked at


def family(name: str) -> dict[str, type]:
    """The classes that work on the same parts as the named one, by task."""
    families = [key for classes in TASKS.values() for key, kind in classes.items() if kind.__name__ == name]
    classes = {task: them[key] for key in families for task, them in TASKS.items() if key in them}
    own = {task: kind for task, kind in classes.items() if kind.__name__ == name}
    return classes if "text-to-image" in own else own


def knows(kind: type, argument: str) -> bool:
    arguments = signature(kind.__call__).parameters
    guided = arguments.get("true_cfg_scale", Parameter("none", Parameter.KEYWORD_ONLY)).default not in UNGUIDED
    return argument in arguments and (argument != "negative_prompt" or guided)


def test_every_class_that_diffusers_has_for_pictures_is_there_or_left_out_for_a_reason():
    theirs = {kind.__name__ for classes in TASKS.values() for kind in classes.values()}
    ours = {name for name, kind in KINDS.items() if kind.modality is Modality.IMAGE}
    assert {name for name in theirs if not any(word in name for word in LEFT_OUT)} == ours


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.modality is Modality.IMAGE])
def test_a_class_can_do_and_honours_what_its_family_does(name):
    classes = family(name)
    assert KINDS[name].capabilities == classes.keys()
    assert KINDS[name].without == {it for it in ARGUMENTS if not any(knows(kind, it) for kind in classes.values())}
    assert all(
        {"prompt", "generator", "num_inference_steps"} <= signature(it.__call__).parameters.keys()
        for it in classes.values()
    )


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.modality is Modality.MODEL_3D])
def test_the_3d_classes_are_there(name):
    assert issubclass(getattr(diffusers, name), diffusers.DiffusionPipeline)
