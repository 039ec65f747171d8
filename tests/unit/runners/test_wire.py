"""Frames come out of the socket as they went in."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.runners import wire
from pluggably.adapters.runners.engine import EngineOptions
from pluggably.domain import errors
from pluggably.domain.generation import (
    Completed,
    FinishReason,
    GenerationRequest,
    ImagePart,
    InputFile,
    Message,
    OutputFile,
    Progress,
    Role,
    Started,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from pluggably.domain.model import Modality
from pluggably.domain.parameters import ImageParameters, Model3DParameters
from tests.builders import a_model, a_request

text = st.text(max_size=20)
count = st.integers(0, 2**40)
json = st.recursive(st.none() | st.booleans() | count | text, lambda it: st.lists(it) | st.dictionaries(text, it))
part = (
    st.builds(TextPart, text)
    | st.builds(ImagePart, text)
    | st.builds(ToolCallPart, text, text, text)
    | st.builds(ToolResultPart, text, text)
)
event = (
    st.just(Started())
    | st.builds(TextDelta, text)
    | st.builds(ToolCallDelta, count, text, text, text)
    | st.builds(Progress, count, count, st.none() | st.floats(0, 10), st.none() | st.binary(max_size=20))
    | st.builds(
        Completed,
        output=st.lists(part).map(tuple),
        finish_reason=st.sampled_from(FinishReason),
        usage=st.builds(Usage, input_tokens=count, output_tokens=count, source=st.just("runner")),
        seed=st.none() | count,
        files=st.lists(st.builds(OutputFile, path=text, media_type=text, facts=st.dictionaries(text, json))).map(tuple),
    )
)
message = st.builds(Message, st.sampled_from(Role), st.lists(part).map(tuple))
text_request = st.builds(
    a_request,
    message,
    model=st.just(a_model(path="/models/tiny", aliases=("a", "b"), created_at=datetime(2026, 1, 2, 3, tzinfo=UTC))),
    session_id=st.none() | text,
    temperature=st.none() | st.floats(0, 2),
    stop=st.none() | st.lists(text).map(tuple),
    response_format=st.none() | st.dictionaries(text, json),
    tools=st.none() | st.lists(st.dictionaries(text, json)).map(tuple),
    tool_choice=st.none() | text | st.dictionaries(text, json),
)
file = st.builds(InputFile, path=text, media_type=text, use=st.sampled_from(["image", "mask"]))
media_request = st.builds(
    GenerationRequest,
    id=text,
    modality=st.sampled_from(Modality),
    model=st.just(a_model(path="/models/tiny")),
    messages=st.lists(message).map(tuple),
    parameters=st.builds(ImageParameters, width=st.none() | count, strength=st.none() | st.floats(0, 1))
    | st.builds(Model3DParameters, target_faces=st.none() | count, texture=st.none() | st.booleans()),
    files=st.lists(file).map(tuple),
    workspace=st.none() | text,
)
request = text_request | media_request
frame = (
    st.builds(wire.Begin, count, request)
    | st.builds(wire.Produced, count, event)
    | st.builds(wire.Grant, count, count)
    | st.builds(wire.Cancel, count)
    | st.builds(wire.Ready, count)
    | st.builds(wire.Ended, count, st.none() | st.builds(wire.Failure, text, text))
    | st.builds(wire.Load, text, st.builds(EngineOptions, path=text, context_length=st.none() | count))
)


@given(frame)
def test_a_frame_comes_out_as_it_went_in(sent):
    encoded = wire.encode(sent)
    header, body = encoded[: wire.LENGTH.size], encoded[wire.LENGTH.size :]
    assert wire.body_length(header) == len(body)
    assert wire.decode(body) == sent


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidRequest.at("/parameters/top_k", "no", ("top_p",)),
        errors.ContextLengthExceeded(detail="too long"),
        errors.Overloaded(detail="later", retry_after_s=2.5),
        errors.StreamInterrupted(),
    ],
    ids=lambda error: error.code,
)
def test_an_error_comes_out_as_the_same_class_with_the_same_words(error):
    received = wire.to_error(wire.to_failure(error))
    assert type(received) is type(error)
    assert str(received) == str(error)
    assert received.retry_after_s == error.retry_after_s
    assert getattr(received, "violations", ()) == getattr(error, "violations", ())


def test_a_foreign_error_says_nothing_of_itself():
    assert "secret" not in str(wire.to_error(wire.to_failure(RuntimeError("/etc/secret"))))


def test_an_error_that_only_the_engine_knows_is_a_crash():
    assert type(wire.to_error(wire.Failure("steam_pressure_low", "psst"))) is errors.RunnerCrashed


def test_a_frame_beyond_all_measure_is_refused():
    with pytest.raises(ValueError, match="4294967295 bytes"):
        wire.body_length(b"\xff\xff\xff\xff")
