"""What every `ModelFetcher` promises; a test module per fetcher subclasses this and provides the fixtures."""

from contextlib import aclosing
from pathlib import Path

import pytest

from pluggably.application.ports import ModelFetcher
from pluggably.domain.errors import InvalidRequest, NotFound


def visible(folder: Path) -> list[str]:
    """The files that discovery could take for models."""
    return sorted(it.name for it in folder.glob("*.gguf") if not it.name.startswith("."))


class ModelFetcherContract:
    """Fixtures to provide: `fetcher`, which fetches into the fixture `folder`, and the three references."""

    reference: str  # of a model that is there
    absent: str  # of none, in the right form
    malformed: str

    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        return tmp_path / "models"

    @pytest.fixture
    def fetcher(self, folder) -> ModelFetcher:
        raise NotImplementedError

    async def test_it_tells_how_far_it_is_and_ends_with_everything_done(self, fetcher):
        steps = [step async for step in fetcher.fetch(self.reference)]
        assert len(steps) > 1
        assert steps[-1].bytes_done == steps[-1].bytes_total > 0

    async def test_the_model_is_there_at_the_end_and_under_its_name_only_then(self, fetcher, folder):
        async with aclosing(fetcher.fetch(self.reference)) as steps:
            async for step in steps:
                if step.status != "complete":
                    assert not visible(folder)
        assert len(visible(folder)) == 1

    async def test_fetching_again_is_done_at_once(self, fetcher):
        async for _ in fetcher.fetch(self.reference):
            pass
        again = [step async for step in fetcher.fetch(self.reference)]
        assert [step.status for step in again] == ["complete"]

    async def test_leaving_early_leaves_nothing_behind(self, fetcher, folder):
        async with aclosing(fetcher.fetch(self.reference)) as steps:
            await anext(steps)
        assert [it for it in folder.rglob("*") if it.is_file()] == []

    async def test_what_is_not_there_is_not_found(self, fetcher, folder):
        with pytest.raises(NotFound):
            async for _ in fetcher.fetch(self.absent):
                pass
        assert not folder.exists() or not visible(folder)

    async def test_a_reference_of_another_form_is_refused(self, fetcher):
        with pytest.raises(InvalidRequest):
            async for _ in fetcher.fetch(self.malformed):
                pass
