"""What a catalog says of models that have just come."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from pluggably.adapters.memory.models import ListedModels
from pluggably.application.arrivals import CatalogArrivals
from pluggably.application.catalog import Catalog
from pluggably.domain.download import WantedModel
from pluggably.domain.errors import InvalidRequest, NameTaken
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
    for folder in ("/models", "/models/none"):
        with pytest.raises(InvalidRequest, match="is said of one model"):
            await arrivals(register=register).arrived(Path(folder), "", wanted)


@pytest.mark.parametrize(
    ("folder", "source", "free"),
    [
        ("/models/mine", None, True),
        ("/models/other", None, False),
        (None, "package:mine==1", True),
        (None, None, False),
    ],
)
async def test_an_id_that_was_given_to_another_model_is_not_free(folder, source, free):
    mine = a_model("mine", origin="registered", path="/models/mine/m.gguf", source="package:mine==1")
    gone = a_model("gone", origin="registered", path="/models/gone.gguf", status=ModelStatus.MISSING)
    catalog = Catalog(sources=[ListedModels([mine, gone, a_model("found")])], runners=Folder())
    place = folder and Path(folder)
    for wanted in ("gone", "found", "new"):
        await CatalogArrivals(catalog).expect_free(WantedModel(id=wanted), place, source)
    with nullcontext() if free else pytest.raises(NameTaken):
        await CatalogArrivals(catalog).expect_free(WantedModel(id="mine"), place, source)
