"""The keys of URLs, in a file or a value."""

import stat

import pytest

from pluggably.adapters.artifacts.signing import url_keys_in, url_keys_of
from pluggably.domain.errors import GatewayError

A, B = "a1" * 32, "b2" * 32


def test_the_file_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "artifacts" / "url.keys"
    made = url_keys_in(path)
    assert url_keys_in(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [it.name for it in path.parent.iterdir()] == ["url.keys"]
    assert url_keys_in(tmp_path / "other" / "url.keys") != made


def test_a_new_key_goes_before_the_old_one(tmp_path):
    path = tmp_path / "url.keys"
    path.write_text(f"# since June\n{A}\n\n{B}  # until July\n")
    assert [key.secret.hex() for key in url_keys_in(path)] == [A, B]
    assert url_keys_of(f"{A} {B}") == url_keys_in(path)


def test_each_key_has_an_id_that_is_not_its_secret():
    first, second = url_keys_of(f"{A} {B}")
    assert first.id != second.id
    assert first.id not in A
    assert url_keys_of(A.upper()) == (first,)


@pytest.mark.parametrize("text", ["", "  \n", "hunter2", A[:-1], A + "0", f"{A} hunter2", f"{A},{B}"])
def test_what_is_no_key_is_refused_and_not_repeated(text, tmp_path):
    path = tmp_path / "url.keys"
    path.write_text(text)
    for use in (lambda: url_keys_of(text), lambda: url_keys_in(path)):
        with pytest.raises(GatewayError, match="openssl rand") as refused:
            use()
        assert not text.strip() or text not in str(refused.value)
