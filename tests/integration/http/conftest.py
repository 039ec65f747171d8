import pytest

from tests.integration.http.world import World, client_of


@pytest.fixture
def world():
    return World()


@pytest.fixture
async def http(world):
    async with client_of(world.app()) as client:
        yield client
