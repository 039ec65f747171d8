"""JSON Schema from declarations."""

from pluggably.domain.model import Modality
from pluggably.domain.parameters import TEXT_PARAMETERS
from pluggably.entrypoints.http.model_objects import parameter_schema
from pluggably.entrypoints.http.resources.generations import TextGeneration
from pluggably.entrypoints.http.schema import object_schema
from tests.builders import a_model


def test_the_parameters_are_those_that_are_checked_with_their_bounds():
    schema = parameter_schema(Modality.TEXT)
    assert set(schema["properties"]) == TEXT_PARAMETERS
    temperature = schema["properties"]["temperature"]
    assert (temperature["type"], temperature["minimum"], temperature["maximum"]) == ("number", 0, 2)
    assert schema["properties"]["max_tokens"]["x-unit"] == "tokens"
    assert schema["properties"]["stop"]["maxItems"] == 16
    assert schema["additionalProperties"] is False


def test_a_model_shows_only_what_it_honours():
    schema = parameter_schema(Modality.TEXT, a_model(parameters=frozenset({"seed"})))
    assert set(schema["properties"]) == {"seed"}


def test_a_request_has_a_schema_too():
    schema = object_schema(TextGeneration)
    assert schema["required"] == ["input"]
    said, conversation = schema["properties"]["input"]["anyOf"]
    assert said == {"type": "string"}
    assert conversation["items"]["properties"]["role"]["enum"] == ["system", "user", "assistant", "tool"]
    assert schema["properties"]["metadata"]["maxProperties"] == 16
