"""The parrot provider keeps what the gateway expects of a provider, and says what went wrong."""

import pytest
from parrot_server import parrot_server
from pluggably_parrot import ParrotProvider

from pluggably.domain import errors
from pluggably.domain.generation import GenerationRequest, Role, text_message
from pluggably.domain.model import Modality
from pluggably.domain.parameters import TextParameters
from pluggably.testing import GeneratorContract, ModelSourceContract

SEVENTEEN_WORDS = "Polly " * 17


@pytest.fixture
async def provider():
    async with parrot_server() as base_url:
        parrots = ParrotProvider(name="zoo", base_url=base_url, api_key="secret", models=["polly", "ara"])
        yield parrots
        await parrots.close()


def asked(provider: ParrotProvider, text: str) -> GenerationRequest:
    return GenerationRequest(
        id="gen_1",
        modality=Modality.TEXT,
        model=provider.match("zoo/polly"),
        messages=(text_message(Role.USER, text),),
        parameters=TextParameters(),
    )


class TestGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self, provider):
        return provider

    @pytest.fixture
    def request_(self, provider):
        return asked(provider, SEVENTEEN_WORDS)


class TestModelSource(ModelSourceContract):
    @pytest.fixture
    def source(self, provider):
        return provider


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("401", errors.ProviderAuthFailed),
        ("429", errors.ProviderRateLimited),
        ("500", errors.ProviderError),
        ("break", errors.StreamInterrupted),
    ],
)
async def test_a_failure_is_an_error_and_never_an_end(provider, text, error):
    with pytest.raises(error):
        _ = [event async for event in provider.generate(asked(provider, text))]


async def test_a_server_that_is_not_there():
    nowhere = ParrotProvider(name="zoo", base_url="http://127.0.0.1:1", api_key=None, models=["polly"])
    with pytest.raises(errors.ProviderUnreachable):
        _ = [event async for event in nowhere.generate(asked(nowhere, "Polly"))]
    await nowhere.close()
