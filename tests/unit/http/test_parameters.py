"""The law of parameters: what is documented is what is checked, for each parameter of each modality."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.errors import InvalidRequest
from pluggably.domain.model import Modality
from pluggably.domain.parameters import CHOOSING, PARAMETERS
from pluggably.entrypoints.http.model_objects import parameter_schema, selection_object
from pluggably.entrypoints.structuring import structure
from tests.builders import a_model

DOCUMENTED = [
    pytest.param(modality, name, schema, id=f"{modality}.{name}")
    for modality in Modality
    for name, schema in parameter_schema(modality)["properties"].items()
]
LENGTHS = {
    "maxLength": lambda length: "x" * length,
    "maxItems": lambda length: ["x"] * length,
    "maxProperties": lambda length: {str(number): number for number in range(length)},
}


def having(*keys: str) -> list[Any]:
    return [it for it in DOCUMENTED if any(key in it.values[2] for key in keys)]


def is_accepted(modality: Modality, name: str, value: object) -> bool:
    try:
        taken = getattr(structure({name: value}, PARAMETERS[modality]), name)
    except InvalidRequest as refused:
        assert {it.pointer.partition("/")[2].partition("/")[0] for it in refused.violations} == {name}
        return False
    return taken == (tuple(value) if isinstance(value, list) else value)


def one_step(bound: float, schema: dict, direction: int) -> float:
    whole = schema["type"] == "integer"
    return int(bound) + direction if whole else math.nextafter(bound, math.inf * direction)


def test_every_parameter_says_what_it_is():
    for it in DOCUMENTED:
        _, name, schema = it.values
        assert schema["description"], name
        assert schema["examples"], name
        assert "type" in schema or "anyOf" in schema, name
        assert schema.get("type") not in ("integer", "number") or {"minimum", "maximum"} <= schema.keys(), name


@pytest.mark.parametrize(("modality", "name", "schema"), having("minimum", "maximum"))
def test_each_bound_is_accepted_and_one_step_beyond_refused(modality, name, schema):
    for bound, outwards in ((schema["minimum"], -1), (schema["maximum"], +1)):
        assert is_accepted(modality, name, bound)
        assert is_accepted(modality, name, one_step(bound, schema, -outwards))
        assert not is_accepted(modality, name, one_step(bound, schema, outwards))


@pytest.mark.parametrize(("modality", "name", "schema"), having("minimum", "maximum"))
@given(data=st.data())
def test_whatever_is_within_is_accepted_and_nothing_outside(modality, name, schema, data):
    low, high = schema["minimum"], schema["maximum"]
    numbers = st.integers() if schema["type"] == "integer" else st.floats(allow_nan=False)
    within = (
        st.integers(int(low), int(high)) if schema["type"] == "integer" else st.floats(low, high, allow_subnormal=False)
    )
    number = data.draw(within | numbers)
    assert is_accepted(modality, name, number) is (low <= number <= high)


@pytest.mark.parametrize(("modality", "name", "schema"), having(*LENGTHS))
def test_each_length_is_accepted_and_one_more_refused(modality, name, schema):
    (key,) = LENGTHS.keys() & schema.keys()
    of_objects = schema.get("items", {}).get("type") == "object"
    of_length = (lambda length: [{}] * length) if of_objects else LENGTHS[key]
    assert is_accepted(modality, name, of_length(schema[key]))
    assert not is_accepted(modality, name, of_length(schema[key] + 1))


@pytest.mark.parametrize(("modality", "name", "schema"), having("enum"))
def test_each_choice_is_accepted_and_no_other(modality, name, schema):
    assert all(is_accepted(modality, name, choice) for choice in schema["enum"])
    assert not is_accepted(modality, name, "another")


OF_TYPE = {
    "integer": 1.5,
    "number": "1",
    "string": 1,
    "boolean": "true",
    "array": {},
    "object": [],
}


@pytest.mark.parametrize(("modality", "name", "schema"), having("type"))
def test_another_type_is_refused(modality, name, schema):
    assert not is_accepted(modality, name, OF_TYPE[schema["type"]])


@pytest.mark.parametrize(("modality", "name", "schema"), having("examples"))
def test_each_example_is_accepted(modality, name, schema):
    assert all(is_accepted(modality, name, example) for example in schema["examples"])


@pytest.mark.parametrize("modality", Modality)
def test_what_is_not_documented_is_not_known(modality):
    with pytest.raises(InvalidRequest, match="is not known"):
        structure({"undocumented": 1}, PARAMETERS[modality])


def test_a_model_says_what_its_files_and_its_operator_take_for_what_is_not_given():
    model = a_model(defaults={"temperature": 0.2, "top_p": 0.9}, presets={"temperature": 0.5})
    documented = parameter_schema(Modality.TEXT, model)["properties"]
    assert (documented["temperature"]["default"], documented["top_p"]["default"]) == (0.5, 0.9)
    assert "default" not in documented["top_k"]


def test_the_choice_among_models_is_told_with_what_each_lacks():
    models = [a_model("small", parameters=frozenset({"max_tokens"}), context_length=2048), a_model("large")]
    said = selection_object(Modality.TEXT, models, "large")
    assert said["guidance"] == CHOOSING[Modality.TEXT]
    assert said["default"] == "large"
    small, large = said["models"]
    assert "temperature" in small["lacks"]
    assert "max_tokens" not in small["lacks"]
    assert (small["context_length"], large["lacks"]) == (2048, [])
