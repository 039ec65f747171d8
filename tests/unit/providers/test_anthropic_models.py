import pytest

from pluggably.adapters.providers.anthropic.provider import AnthropicProvider

SAMPLING = {"temperature", "top_p", "top_k"}


def a_provider(*models: str, **settings) -> AnthropicProvider:
    return AnthropicProvider(
        name="acme", base_url="https://api.example.com/v1", api_key=None, models=models, **settings
    )


async def test_names_are_listed_and_patterns_only_allow():
    provider = a_provider("claude-opus-5", "claude-*")
    assert [model.id for model in await provider.models()] == ["acme/claude-opus-5"]
    assert provider.match("acme/claude-haiku-5").upstream == "claude-haiku-5"
    assert provider.match("acme/gpt-5") is None


def test_a_model_sees_pictures_and_takes_what_anthropic_takes():
    model = a_provider("claude-*").match("acme/claude-opus-5-5")
    assert model.capabilities == {"vision"}
    assert model.parameters == {"max_tokens", "stop", "response_format", "tools", "tool_choice"}


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("claude-3-haiku-20240307", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-haiku-4-5", True),
        ("claude-opus-4-6", True),
        ("claude-opus-4-7", False),
        ("claude-opus-5-5", False),
    ],
)
def test_sampling_is_a_matter_of_older_models_in_the_older_version(name, takes):
    older, newer = (a_provider("*", version=version).match(f"acme/{name}") for version in ("2023-06-01", "2026-10-21"))
    assert (older.parameters >= SAMPLING) is takes
    assert not newer.parameters & SAMPLING


def test_the_operator_knows_better_which_models_take_it():
    provider = a_provider("*", version="2023-06-01", sampling_models=["local-*"])
    assert provider.match("acme/local-1").parameters >= SAMPLING
    assert not provider.match("acme/claude-3-haiku").parameters & SAMPLING


def test_a_version_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ValueError, match="2024-01-01"):
        a_provider("*", version="2024-01-01")
