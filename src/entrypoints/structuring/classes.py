"""attrs classes, field by field."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import attrs
from cattrs import Converter, ForbiddenExtraKeysError
from cattrs.errors import ClassValidationError
from cattrs.gen import make_dict_structure_fn, override

from ...domain.errors import Violation
from .refusal import MOST_VIOLATIONS, SHOWN, Hook, Refused, name_of, refuse, within


def written_name(name: str) -> str:
    """What an attribute is called outside: a keyword of Python, such as `from`, has an underscore behind it here."""
    return name.removesuffix("_")


def instance(cls: Any, converter: Converter) -> Hook:
    """By what a value names, which is a few of the fields; what is not valid is gone through again, field by field."""
    renamed: dict[str, Any] = {
        it.name: override(rename=written_name(it.name)) for it in attrs.fields(cls) if it.name.endswith("_")
    }
    examined = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=converter.forbid_extra_keys, **renamed)
    fields = {
        written_name(it.name): (it.alias, converter.get_structure_hook(it.type), it.type) for it in attrs.fields(cls)
    }
    lenient = not converter.forbid_extra_keys

    def structure_class(value: Any, _: Any) -> Any:
        if type(value) is not dict:
            refuse(f"must be an object, not {name_of(value)}")
        try:
            named = [(*fields[key], item) for key, item in value.items() if key in fields or not lenient]
            return cls(**{alias: hook(item, kind) for alias, hook, kind, item in named})
        except (Refused, KeyError, TypeError):
            return examine(value)

    def examine(value: Any) -> Any:
        try:
            return examined(value, cls)
        except ClassValidationError as error:
            raise Refused(list(_of_class(error, value))) from None

    return structure_class


def _of_class(error: ClassValidationError, value: Mapping[str, Any]) -> Iterable[Violation]:
    of_fields, others = error.group_exceptions()
    for other in others:
        if not isinstance(other, ForbiddenExtraKeysError):
            raise other
        unknown = [key for key in value if key in other.extra_fields]
        yield from (_unknown(key, other.cl) for key in unknown[:MOST_VIOLATIONS])
    for cause, note in of_fields:
        if isinstance(cause, Refused):
            yield from within(written_name(note.name), cause.violations)
        elif isinstance(cause, KeyError) and note.name not in value:
            yield Violation(pointer=f"/{note.name}", message="is required")
        else:
            raise cause


def _unknown(key: str, cls: type) -> Violation:
    names = tuple(written_name(attribute.name) for attribute in attrs.fields(cls))
    close = get_close_matches(key[:SHOWN], names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
    return within(key[:SHOWN], [Violation(pointer="", message=f"is not known; {hint}", allowed=names)])[0]
