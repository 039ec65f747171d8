"""What a catalog says of models that have just come."""

from pathlib import Path

from pluggably.application.arrivals import CatalogArrivals
from pluggably.application.catalog import Catalog
from pluggably.domain.download import WantedModel
from pluggably.domain.model import ModelStatus
from tests.builders import a_model


class Folder:
    """Models of a folder, and of a package."""

    async def models(self):
        return [
            a_model("tiny", path="/models/tiny/tiny.gguf"),
            a_model("tiny-2", path="/models/tiny-2/tiny.gguf"),
            a_model("packed", path="/models/packed.gguf", source="package:packed==1"),
        ]

    def match(self, model_id):
        return None

    def status(self, model_id):
        return ModelStatus.AVAILABLE


def arrivals(**facts) -> CatalogArrivals:
    return CatalogArrivals(Catalog(sources=[Folder()], runners=Folder()), **facts)


async def test_the_models_of_a_folder_are_those_below_it():
    assert await arrivals().arrived(Path("/models/tiny"), "hf:org/tiny", None) == ["tiny"]
    assert await arrivals().arrived(Path("/models/none"), "hf:org/tiny", None) == []


async def test_the_models_of_a_package_are_known_by_their_source():
    assert await arrivals().arrived(None, "package:packed==1", None) == ["packed"]


async def test_a_model_becomes_what_somebody_wanted_it_to_be():
    async def register(model, wanted):
        return f"{model.id} as {wanted.name}"

    wanted = WantedModel(name="Mine")
    assert await arrivals(register=register).arrived(Path("/models/tiny"), "", wanted) == ["tiny as Mine"]
    assert await arrivals(register=register).arrived(Path("/models"), "", wanted) == ["packed", "tiny", "tiny-2"]
