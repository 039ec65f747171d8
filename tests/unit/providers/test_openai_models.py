import pytest

from pluggably.adapters.providers.openai import OpenAIProvider


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
