import pytest

from pluggably.adapters.memory.models import ListedModels
from pluggably.domain.model import ModelStatus
from pluggably.testing.model_source import ModelSourceContract
from tests.builders import a_model


class TestListedModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        broken = a_model("half", status=ModelStatus.INCOMPLETE, reason="its end is missing")
        return ListedModels([a_model("one"), broken], unlisted=[a_model("remote/any")])

    async def test_an_unlisted_model_can_be_asked_for(self, source):
        assert source.match("remote/any").id == "remote/any"
