"""Whether an OpenAI-compatible server is well, asked of it through real sockets."""

import pytest

from pluggably.domain import errors

from .openai_server import Call, openai_server


def answering(status: int):
    async def answer(call: Call) -> None:
        await call.answer(b"{}", status)

    return answer


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_a_server_that_lists_its_models_or_cannot_list_any_is_well(status):
    async with openai_server(answering(status)) as server:
        provider = server.provider()
        await provider.probe()
        await provider.close()
    assert [call.path for call in server.calls] == ["/v1/models"]


@pytest.mark.parametrize(("status", "error"), [(401, errors.ProviderAuthFailed), (503, errors.ProviderUnavailable)])
async def test_a_server_that_refuses_its_list_is_not_well(status, error):
    async with openai_server(answering(status)) as server:
        provider = server.provider()
        with pytest.raises(error):
            await provider.probe()
        await provider.close()
