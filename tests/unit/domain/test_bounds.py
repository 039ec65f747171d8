import pytest
from hypothesis import given
from hypothesis.strategies import integers

from pluggably.application.catalog import require_honoured
from pluggably.domain.bounds import Bounds
from pluggably.domain.errors import InvalidRequest
from pluggably.domain.model import Modality
from pluggably.domain.parameters import IMAGE_PARAMETERS, ImageParameters
from tests.builders import a_model

EIGHTS = Bounds(maximum=128, multiple_of=8)


@given(integers(1, 300))
def test_a_number_is_taken_or_refused_with_those_next_to_it_that_are_taken(value):
    refusal = EIGHTS.refusal(value)
    assert (refusal is None) == (value <= 128 and value % 8 == 0)
    if refusal and value <= 128:
        near = [int(it) for it in refusal[1]]
        assert near == [it for it in range(8, 129, 8) if abs(it - value) < 8]
        assert all(EIGHTS.refusal(it) is None for it in near)


def test_what_is_beyond_a_models_bounds_is_refused_before_the_model_is_asked():
    model = a_model(modality=Modality.IMAGE, parameters=IMAGE_PARAMETERS, bounds={"width": EIGHTS, "height": EIGHTS})
    require_honoured(model, ImageParameters(width=64, height=128))
    with pytest.raises(InvalidRequest) as refused:
        require_honoured(model, ImageParameters(width=33, height=136, steps=2))
    assert [(it.pointer, it.message, it.allowed) for it in refused.value.violations] == [
        ("/parameters/width", "must be a multiple of 8", ("32", "40")),
        ("/parameters/height", "must be at most 128", None),
    ]
