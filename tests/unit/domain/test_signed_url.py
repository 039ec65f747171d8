"""A signed URL is good for what was signed, until its time, and for nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.errors import SignatureExpired, SignatureInvalid
from pluggably.domain.signed_url import Grant, UrlKey, require_signed, signed_query

NEW, OLD = UrlKey("0000000a", b"n" * 32), UrlKey("0000000b", b"o" * 32)
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
PATH = "/v1/artifacts/art_1/content"
GRANT = Grant(method="GET", path=PATH, expires=int(NOON.timestamp()) + 60)
NAMED = Grant(method="GET", path=PATH, expires=GRANT.expires, filename="cat.png")


@pytest.mark.parametrize("grant", [GRANT, NAMED])
def test_what_was_signed_is_allowed_and_says_what_it_is(grant):
    assert require_signed("GET", PATH, signed_query(grant, NEW), [NEW], at=NOON) == grant


def test_it_is_good_until_its_moment_and_not_at_it():
    query = signed_query(GRANT, NEW)
    require_signed("GET", PATH, query, [NEW], at=GRANT.expires_at - timedelta(microseconds=1))
    with pytest.raises(SignatureExpired):
        require_signed("GET", PATH, query, [NEW], at=GRANT.expires_at)


def test_what_was_altered_is_not_said_to_have_expired():
    with pytest.raises(SignatureInvalid):
        require_signed("GET", PATH + "x", signed_query(GRANT, NEW), [NEW], at=GRANT.expires_at)


def test_a_url_of_a_key_that_is_not_the_first_any_more_is_good_as_long_as_the_key_is_there():
    query = signed_query(GRANT, OLD)
    assert require_signed("GET", PATH, query, [NEW, OLD], at=NOON) == GRANT
    with pytest.raises(SignatureInvalid):
        require_signed("GET", PATH, query, [NEW], at=NOON)


def test_a_secret_does_not_pass_for_another_one_of_the_same_id():
    with pytest.raises(SignatureInvalid):
        require_signed("GET", PATH, signed_query(GRANT, NEW), [UrlKey(NEW.id, OLD.secret)], at=NOON)


@pytest.mark.parametrize("grant", [GRANT, NAMED])
def test_no_byte_of_the_query_can_be_another_one(grant):
    query = signed_query(grant, NEW)
    for place in range(len(query)):
        for other in map(chr, range(256)):
            if other != query[place]:
                with pytest.raises(SignatureInvalid):
                    require_signed("GET", PATH, query[:place] + other + query[place + 1 :], [NEW, OLD], at=NOON)


@given(place=st.integers(0, len(PATH) - 1), other=st.characters())
def test_no_character_of_the_path_can_be_another_one(place, other):
    path = PATH[:place] + other + PATH[place + 1 :]
    if path != PATH:
        with pytest.raises(SignatureInvalid):
            require_signed("GET", path, signed_query(GRANT, NEW), [NEW], at=NOON)


@given(query=st.text())
def test_no_other_text_is_a_query(query):
    with pytest.raises(SignatureInvalid):
        require_signed("GET", PATH, query, [NEW], at=NOON)


@pytest.mark.parametrize(
    "alter",
    [
        lambda query: query.replace("expires=", "expires=0"),
        lambda query: query.replace("expires=1", "expires=%31"),
        lambda query: query + "&x=1",
        lambda query: query + "&expires=99999999999",
        lambda query: query.upper(),
        lambda query: query.replace("&filename=cat.png", ""),
        lambda query: query.replace("cat.png", "dog.png"),
        lambda query: "&".join(reversed(query.split("&"))),
        lambda query: query + "\n",
    ],
    ids=["zero", "percent", "another", "twice", "case", "no name", "another name", "order", "line end"],
)
def test_the_query_has_one_form_only(alter):
    with pytest.raises(SignatureInvalid):
        require_signed("GET", PATH, alter(signed_query(NAMED, NEW)), [NEW], at=NOON)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "get"])
def test_another_method_is_not_allowed(method):
    with pytest.raises(SignatureInvalid):
        require_signed(method, PATH, signed_query(GRANT, NEW), [NEW], at=NOON)


def test_a_key_does_not_show_its_secret():
    assert "nnn" not in repr(NEW)
