"""Which models there are, and which one a request means."""

import pytest

from pluggably.adapters.memory.models import ListedModels
from pluggably.application.catalog import Catalog, ModelFilter
from pluggably.domain.errors import ModelModalityMismatch, ModelNotFound, NotFound
from pluggably.domain.model import Modality, ModelStatus
from tests.builders import a_model


class Running:
    """The runners, with one model loaded."""

    def status(self, model_id):
        return ModelStatus.LOADED if model_id == "warm" else ModelStatus.AVAILABLE


def a_catalog(*sources, **settings):
    return Catalog(sources=sources, runners=Running(), **settings)


async def test_the_only_usable_model_of_a_modality_is_its_default():
    broken = a_model("half", status=ModelStatus.INCOMPLETE, reason="its end is missing")
    catalog = a_catalog(ListedModels([a_model("one"), broken]))
    assert (await catalog.resolve(None, Modality.TEXT)).id == "one"


async def test_several_models_and_no_default_is_an_error_that_names_them():
    with pytest.raises(ModelNotFound, match="one, two") as refused:
        await a_catalog(ListedModels([a_model("one"), a_model("two")])).resolve(None, Modality.TEXT)
    assert refused.value.close_matches == ("one", "two")


async def test_the_configured_default_decides_and_may_be_an_alias():
    catalog = a_catalog(
        ListedModels([a_model("one"), a_model("two")]), aliases={"best": "two"}, defaults={Modality.TEXT: "best"}
    )
    model = await catalog.resolve(None, Modality.TEXT)
    assert (model.id, model.aliases) == ("two", ("best",))
    assert catalog.is_default(model)


async def test_a_model_answers_to_its_own_aliases_too():
    catalog = a_catalog(ListedModels([a_model("smol", aliases=("smol-q4",)), a_model("other")]))
    assert (await catalog.resolve("smol-q4", Modality.TEXT)).id == "smol"


async def test_a_model_of_another_modality_is_refused_with_what_there_is():
    catalog = a_catalog(ListedModels([a_model("one"), a_model("pictures", modality=Modality.IMAGE)]))
    with pytest.raises(ModelModalityMismatch, match=r"generates image, not text.*one"):
        await catalog.resolve("pictures", Modality.TEXT)


async def test_a_model_that_cannot_be_used_says_why():
    broken = a_model("half", status=ModelStatus.INCOMPLETE, reason="its end is missing")
    with pytest.raises(ModelNotFound, match="incomplete: its end is missing"):
        await a_catalog(ListedModels([broken])).resolve("half", Modality.TEXT)


async def test_a_model_that_appears_later_is_found_without_a_restart():
    there = []
    source = ListedModels(there)
    catalog = a_catalog(source)
    with pytest.raises(ModelNotFound):
        await catalog.resolve("new", Modality.TEXT)
    there.append(a_model("new"))
    assert (await catalog.resolve("new", Modality.TEXT)).id == "new"


async def test_of_two_models_with_one_id_the_earlier_source_wins():
    first, second = a_model("one", size_bytes=1), a_model("one", size_bytes=2)
    assert (await a_catalog(ListedModels([first]), ListedModels([second])).get("one")).size_bytes == 1


async def test_a_model_that_a_provider_allows_need_not_be_listed():
    catalog = a_catalog(ListedModels([], unlisted=[a_model("remote/any", provider="remote", origin="provider")]))
    assert (await catalog.resolve("remote/any", Modality.TEXT)).id == "remote/any"
    assert await catalog.list() == []


async def test_a_list_says_what_is_loaded_now():
    models = await a_catalog(ListedModels([a_model("warm"), a_model("cold")])).list()
    assert [model.status for model in models] == [ModelStatus.LOADED, ModelStatus.AVAILABLE]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (ModelFilter(), ["warm", "cold", "pictures"]),
        (ModelFilter(modality=Modality.IMAGE), ["pictures"]),
        (ModelFilter(provider="remote"), ["pictures"]),
        (ModelFilter(capability="chat"), ["cold"]),
        (ModelFilter(status=ModelStatus.LOADED), ["warm"]),
        (ModelFilter(text="OL"), ["cold"]),
        (ModelFilter(text="o", modality=Modality.IMAGE), []),
    ],
)
async def test_filters_narrow_the_list(wanted, ids):
    catalog = a_catalog(
        ListedModels(
            [
                a_model("warm"),
                a_model("cold", capabilities=frozenset({"chat"})),
                a_model("pictures", modality=Modality.IMAGE, provider="remote"),
            ]
        )
    )
    assert [model.id for model in await catalog.list(wanted)] == ids


async def test_an_unknown_model_is_not_found():
    with pytest.raises(NotFound, match="no model 'absent'"):
        await a_catalog(ListedModels([a_model()])).get("absent")
