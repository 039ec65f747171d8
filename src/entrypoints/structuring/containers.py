"""Lists, maps, and values with bounds."""

from functools import partial
from typing import Any, get_args

from cattrs import Converter

from ...domain.parameters import Field
from .refusal import Hook, Refused, name_of, refuse, violations_of


def list_of(wanted: Any, converter: Converter) -> Hook:
    """Of `tuple[X, ...]`: a list, each entry of which is an `X`."""
    item_type = get_args(wanted)[0]
    hook = converter.get_structure_hook(item_type)

    def structure_tuple(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            refuse(f"must be a list, not {name_of(value)}")
        try:
            return tuple([hook(item, item_type) for item in value])
        except Refused:
            raise Refused(violations_of((i, partial(hook, item, item_type)) for i, item in enumerate(value))) from None

    return structure_tuple


def mapping(wanted: Any, converter: Converter) -> Hook:
    """Of `Mapping[K, V]`: an object."""
    key_type, value_type = get_args(wanted)
    key_hook, value_hook = converter.get_structure_hook(key_type), converter.get_structure_hook(value_type)

    def entry(key: Any, value: Any) -> tuple[Any, Any]:
        return key_hook(key, key_type), value_hook(value, value_type)

    def structure_mapping(value: Any, _: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            refuse(f"must be an object, not {name_of(value)}")
        try:
            return {key_hook(key, key_type): value_hook(item, value_type) for key, item in value.items()}
        except Refused:
            raise Refused(violations_of((key, partial(entry, key, item)) for key, item in value.items())) from None

    return structure_mapping


def bounded(wanted: Any, converter: Converter) -> Hook:
    """Of `Annotated[X, Field(…)]`: an `X` within the bounds of the field."""
    inner, *notes = get_args(wanted)
    hook = converter.get_structure_hook(inner)
    field = next((note for note in notes if isinstance(note, Field)), None)
    if field is None:
        return hook

    def structure_bounded(value: Any, _: Any) -> Any:
        if type(value) is list or type(value) is dict:
            if problem := field.problem(value):
                refuse(problem)  # before its entries are looked at: there may be millions
            return hook(value, inner)
        result = hook(value, inner)
        if result is not None and (problem := field.problem(result)):
            refuse(problem)
        return result

    return structure_bounded
