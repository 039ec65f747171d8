"""A service whose models make pictures and meshes, of a colour that depends on the prompt."""

from pathlib import Path

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.memory.media import ScriptedMediaGenerator
from pluggably.adapters.memory.models import ListedModels
from pluggably.domain.model import Modality
from pluggably.domain.parameters import IMAGE_PARAMETERS, MODEL_3D_PARAMETERS
from tests.artifact_world import ArtifactWorld
from tests.builders import a_model

from .world import World


def _a_maker(name: str, modality: Modality, *capabilities: str):
    parameters = IMAGE_PARAMETERS if modality is Modality.IMAGE else MODEL_3D_PARAMETERS
    facts = {"modality": modality, "provider": "studio", "parameters": parameters}
    return a_model(name, capabilities=frozenset(capabilities), **facts)


MODELS = [
    a_model("tiny"),
    a_model("seeing", capabilities=frozenset({"vision"})),
    _a_maker("painter", Modality.IMAGE, "text-to-image", "image-to-image", "inpainting"),
    _a_maker("caster", Modality.MODEL_3D, "text-to-3d"),
    _a_maker("sculptor", Modality.MODEL_3D, "image-to-3d"),
]


def _repeat(request) -> str:
    return " / ".join(message.text for message in request.messages)


class Studio(World):
    """`studio` makes the pictures and meshes, `generator` repeats what it is told, `kept` has the files."""

    def __init__(self, folder: Path, kept: ArtifactWorld | None = None, **wanted) -> None:
        self.studio, self.kept = ScriptedMediaGenerator(), kept or ArtifactWorld(folder)
        generator = ScriptedGenerator(answer=_repeat)
        super().__init__(
            generator, keys=folder, artifacts=self.kept, models=ListedModels(MODELS), studio=self.studio, **wanted
        )
