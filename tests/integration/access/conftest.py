"""An issuer, and who believes it."""

import pytest

from .issuer import Clock, issuing


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def issuer():
    with issuing() as issuer:
        yield issuer


@pytest.fixture
async def authenticator(issuer, clock):
    authenticator = issuer.authenticator(clock)
    yield authenticator
    await authenticator.close()
