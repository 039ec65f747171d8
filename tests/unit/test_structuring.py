"""What comes from outside: taken exactly, or refused with everything that is wrong and where."""

import json
import math
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Literal

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.errors import InvalidRequest
from pluggably.domain.parameters import Field
from pluggably.entrypoints.structuring import MOST_VIOLATIONS, structure


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@frozen
class Circle:
    kind: Literal["circle"]
    radius: float


@frozen
class Square:
    kind: Literal["square"]
    side: int = 1


@frozen(kw_only=True)
class Drawing:
    title: str
    shapes: tuple[Circle | Square, ...] = ()
    colour: Colour | None = None
    scale: Annotated[float, Field("How large.", 0.5, 2)] = 1.0
    layers: Annotated[int | None, Field("How many.", 1, 8)] = None
    tags: Annotated[tuple[str, ...], Field("Words.", max_length=3)] = ()
    notes: Annotated[Mapping[str, str], Field("More.", max_length=2)] = attrs.field(factory=dict)
    where: str | tuple[float, ...] | None = None
    by_colour: Mapping[Colour, str] = attrs.field(factory=dict)
    anything: Any = None
    visible: bool = True


def refused(data: object, cls: type = Drawing, **wanted) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as error:
        structure(data, cls, **wanted)
    return {it.pointer: it.message for it in error.value.violations}


drawings = st.builds(
    Drawing,
    title=st.text(),
    shapes=st.lists(
        st.builds(Circle, kind=st.just("circle"), radius=st.floats(allow_nan=False))
        | st.builds(Square, kind=st.just("square"), side=st.integers())
    ).map(tuple),
    colour=st.none() | st.sampled_from(Colour),
    scale=st.floats(0.5, 2),
    layers=st.none() | st.integers(1, 8),
    tags=st.lists(st.text(), max_size=3).map(tuple),
    notes=st.dictionaries(st.text(), st.text(), max_size=2),
    where=st.none() | st.text() | st.lists(st.floats(allow_nan=False)).map(tuple),
    by_colour=st.dictionaries(st.sampled_from(Colour), st.text()),
    anything=st.none() | st.integers() | st.lists(st.booleans()),
    visible=st.booleans(),
)


@given(drawings)
def test_whatever_a_class_can_hold_comes_back_from_json(drawing):
    written = json.loads(json.dumps(attrs.asdict(drawing)))
    assert structure(written, Drawing) == drawing


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
keys = st.sampled_from([attribute.name for attribute in attrs.fields(Drawing)]) | st.text()


@given(st.dictionaries(keys, json_values, max_size=6) | json_values)
def test_whatever_comes_is_taken_or_refused_by_pointer_and_nothing_else(data):
    try:
        assert isinstance(structure(data, Drawing), Drawing)
    except InvalidRequest as error:
        assert error.violations
        assert all(it.pointer == "" or it.pointer.startswith("/") for it in error.violations)


def test_everything_wrong_is_said_at_once_with_its_place():
    found = refused(
        {
            "titel": "x",
            "shapes": [{"kind": "circle", "radius": "1"}, {"kind": "star"}, {}, 3],
            "colour": "green",
            "scale": 3,
            "layers": 2.5,
            "tags": ["a", 1],
            "notes": {"a/b~c": 1},
            "by_colour": {"green": "x"},
            "visible": 1,
        }
    )
    assert set(found) == {
        "/titel",
        "/title",
        "/shapes/0/radius",
        "/shapes/1/kind",
        "/shapes/2/kind",
        "/shapes/3",
        "/colour",
        "/scale",
        "/layers",
        "/tags/1",
        "/notes/a~1b~0c",
        "/by_colour/green",
        "/visible",
    }
    assert "did you mean 'title'?" in found["/titel"]
    assert found["/title"] == "is required"
    assert found["/scale"] == "must be between 0.5 and 2, not 3"


@pytest.mark.parametrize(
    ("value", "cls"),
    [
        ("3", int),
        (3.5, int),
        (2.0**53 + 2, int),
        (math.inf, int),
        (True, int),
        (1, bool),
        ("1", float),
        (True, float),
        (1, str),
        (None, str),
        ("a", NoneType),
    ],
)
def test_nothing_is_converted(value, cls):
    assert refused(value, cls)


def test_a_whole_number_is_a_number():
    assert structure(3, float) == 3.0
    assert type(structure(3, float)) is float


def test_a_number_without_a_fraction_is_a_whole_number():
    assert type(structure(3.0, int)) is int
    assert structure({"title": "x", "layers": 8.0}, Drawing).layers == 8
    assert set(refused({"title": "x", "layers": 9.0})) == {"/layers"}


def test_what_must_be_a_number_is_told_in_one_word_and_a_fraction_is_shown():
    assert refused("hot", float | None) == {"": "must be a number, not a string"}
    assert refused({"title": "x", "layers": 1.5}) == {"/layers": "must be a whole number, not 1.5"}
    assert refused({"title": "x", "layers": "x"}) == {"/layers": "must be a whole number, not a string"}


def test_a_number_too_large_for_a_float_is_refused():
    assert refused(10**400, float)


def test_what_is_no_json_is_refused_by_its_name():
    assert refused({"title": date(2026, 1, 1)}) == {"/title": "must be a string, not a date"}


def test_allowed_values_are_named():
    with pytest.raises(InvalidRequest) as error:
        structure({"title": "x", "colour": "green"}, Drawing)
    assert error.value.violations[0].allowed == ("red", "blue")
    assert "'red', 'blue'" in str(error.value)


def test_pointers_begin_where_the_caller_says():
    assert set(refused({"title": 1}, at="/query")) == {"/query/title"}


def test_unknown_keys_can_be_passed_over():
    assert structure({"title": "x", "colours": 1}, Drawing, ignore_unknown=True) == Drawing(title="x")


def test_a_huge_invalid_list_is_given_up_early():
    assert len(refused({"title": "x", "where": ["a"] * 1_000_000})) == MOST_VIOLATIONS


def test_a_list_that_is_too_long_is_refused_before_its_entries_are_looked_at():
    assert set(refused({"title": "x", "tags": [1] * 1_000_000})) == {"/tags"}


def test_long_wrong_values_are_not_repeated_whole():
    assert len(refused({"title": "x", "colour": "z" * 10_000})["/colour"]) < 200
