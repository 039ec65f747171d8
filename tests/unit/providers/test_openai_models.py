import pytest

from pluggably.adapters.providers.openai.provider import OpenAIProvider
from pluggably.domain.model import Modality


def a_provider(*models: str, **settings) -> OpenAIProvider:
    return OpenAIProvider(name="acme", base_url="https://api.example.com/v1", api_key=None, models=models, **settings)


async def test_names_are_listed_and_patterns_are_not():
    models = await a_provider("gpt-4o", "claude-*", "org/model").models()
    assert [(model.id, model.upstream, model.provider, model.origin) for model in models] == [
        ("acme/gpt-4o", "gpt-4o", "acme", "provider"),
        ("acme/org/model", "org/model", "acme", "provider"),
    ]


@pytest.mark.parametrize("name", ["gpt-4o", "claude-opus", "claude-", "org/model-7"])
def test_a_name_that_the_configuration_allows_is_answered(name):
    assert a_provider("gpt-4o", "claude-*", "org/*").match(f"acme/{name}").upstream == name


@pytest.mark.parametrize(
    "model_id", ["gpt-4o", "other/gpt-4o", "acme/gpt-4", "acme/", "acme", "acme/Claude-opus", "acme/x/claude-opus"]
)
def test_any_other_name_is_not(model_id):
    assert a_provider("gpt-4o", "claude-*").match(model_id) is None


def test_a_model_honours_what_openai_knows_and_what_the_operator_adds():
    plain = a_provider("m").match("acme/m").parameters
    assert {"max_tokens", "temperature", "seed", "tools", "response_format"} <= plain
    assert not plain & {"top_k", "min_p", "repetition_penalty"}
    assert a_provider("m", extra_parameters=["top_k"]).match("acme/m").parameters == plain | {"top_k"}


def test_an_extra_parameter_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ValueError, match="top_q"):
        a_provider("m", extra_parameters=["top_q"])


# ── Pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────

OPENAIS = {"width", "height", "n", "format", "preview_every"}


@pytest.mark.parametrize(
    "name", ["gpt-image-2", "gpt-image-1-mini", "chatgpt-image-latest", "dall-e-3", "x/gpt-image-2"]
)
def test_the_models_that_are_known_to_make_pictures_need_not_be_named_as_such(name):
    assert a_provider("*").match(f"acme/{name}").modality is Modality.IMAGE


@pytest.mark.parametrize("name", ["gpt-5", "gpt-imagine", "flux"])
def test_all_others_make_text_unless_the_configuration_says_so(name):
    assert a_provider("*").match(f"acme/{name}").modality is Modality.TEXT
    assert a_provider("*", image_models=[name]).match(f"acme/{name}").modality is Modality.IMAGE


async def test_one_service_has_models_of_both_kinds():
    models = await a_provider("gpt-5", "flux-1", "flux-*", image_models=["flux-*"]).models()
    assert [(model.name, model.modality) for model in models] == [("gpt-5", "text"), ("flux-1", "image")]


@pytest.mark.parametrize(
    ("name", "parameters", "capabilities"),
    [
        ("gpt-image-2", OPENAIS, {"text-to-image", "image-to-image", "inpainting"}),
        ("dall-e-3", {"width", "height", "n"}, {"text-to-image"}),
        ("flux", {"width", "height", "n"}, {"text-to-image"}),
    ],
)
def test_a_model_takes_what_its_service_takes_and_no_more(name, parameters, capabilities):
    model = a_provider("*", image_models=["*"]).match(f"acme/{name}")
    assert (model.parameters, model.capabilities) == (parameters, capabilities)


def test_what_a_compatible_server_takes_is_what_the_operator_adds():
    extra = {"seed": "seed", "steps": "num_inference_steps", "top_k": "top_k"}
    provider = a_provider("flux", "llm", image_models=["flux"], extra_parameters=extra, image_edits=True)
    flux, llm = (provider.match(f"acme/{name}") for name in ("flux", "llm"))
    assert flux.parameters == {"width", "height", "n", "seed", "steps"}
    assert "image-to-image" in flux.capabilities
    assert "top_k" in llm.parameters
    assert "steps" not in llm.parameters


def test_edits_can_be_taken_from_a_model_that_is_known_to_make_them():
    assert a_provider("*", image_edits=False).match("acme/gpt-image-2").capabilities == {"text-to-image"}


def test_a_picture_model_that_is_none_of_the_models_is_refused_by_name():
    with pytest.raises(ValueError, match="'flx'"):
        a_provider("flux", image_models=["flx"])
