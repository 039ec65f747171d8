import pytest

from .place import Place


@pytest.fixture
def on_sqlite(tmp_path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def on_postgres(tmp_path, database) -> Place:
    return Place(tmp_path, database)


@pytest.fixture(params=["on_sqlite", "on_postgres"])
def place(request) -> Place:
    """Each place where sessions can outlive their process."""
    return request.getfixturevalue(request.param)
