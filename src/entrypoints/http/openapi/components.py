"""The components that operations refer to: a schema for each class, a response for each set of errors."""

from collections.abc import Iterable
from typing import Any

from attrs import define, field

from ....domain.errors import GatewayError
from ..problems import OPENAI_ROUTES, STATUSES, openai_error, problem_object
from ..schema import Schema, Schemas
from .failures import OpenAIError, Problem
from .headers import CHALLENGE, REQUEST_ID, RETRY_AFTER
from .operation import Header

_WAITS = (429, 503)
_UNAUTHORIZED = 401


@define(eq=False)
class Components:
    """Collects what is referred to.

    `strict` writes the schemas of requests, whose objects have no other properties; `lenient` those of answers, which
    may get more as the service grows, and of OpenAI's requests, in which what is not known is passed over.
    """

    schemas: dict[str, Schema] = field(factory=dict)
    responses: dict[str, Schema] = field(factory=dict)
    strict: Schemas = field(init=False)
    lenient: Schemas = field(init=False)
    _classes: dict[str, type] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.strict = Schemas(nulls=True, of_class=lambda cls: self._refer(cls, self.strict))
        self.lenient = Schemas(nulls=True, of_class=lambda cls: self._refer(cls, self.lenient), closed=False)

    def _refer(self, cls: type, schemas: Schemas) -> Schema:
        name = cls.__name__
        if self._classes.setdefault(name, cls) is not cls:
            raise RuntimeError(
                f"two classes of the OpenAPI document are called {name}: {cls} and {self._classes[name]}"
            )
        if name not in self.schemas:
            self.schemas[name] = {}  # for those that refer to themselves
            self.schemas[name] = schemas.of_object(cls)
        return {"$ref": f"#/components/schemas/{name}"}

    def refer_to_failure(self, status: int, errors: Iterable[type[GatewayError]], path: str) -> Schema:
        """The response for errors that have a status in common."""
        found = sorted({it.code: it for it in errors}.items())
        openai = path.startswith(OPENAI_ROUTES)
        name = ("openai." if openai else "") + ".".join(code for code, _ in found)
        if name not in self.responses:
            self.responses[name] = self._failure(status, dict(found), openai=openai)
        return {"$ref": f"#/components/responses/{name}"}

    def _failure(self, status: int, errors: dict[str, type[GatewayError]], *, openai: bool) -> Schema:
        said = "\n".join(f"- `{code}`: {_meaning(error)}" for code, error in errors.items())
        headers = [REQUEST_ID, *([RETRY_AFTER] if status in _WAITS else [])]
        headers += [CHALLENGE] if status == _UNAUTHORIZED else []
        codes = {"properties": {"code": {"enum": list(errors)}}}
        schema: Schema = {"allOf": [self.lenient.of(OpenAIError if openai else Problem), codes]}
        content = {
            "schema": {"type": "object", "properties": {"error": schema}, "required": ["error"]} if openai else schema,
            "examples": {code: {"value": _example(error, openai=openai)} for code, error in errors.items()},
        }
        return {
            "description": said,
            "headers": headers_object(headers),
            "content": {"application/json" if openai else "application/problem+json": content},
        }


def headers_object(headers: Iterable[Header]) -> Schema:
    """The headers of an answer."""
    return {it.name: {"description": it.description, "schema": it.schema} for it in headers}


def by_status(errors: Iterable[type[GatewayError]]) -> dict[int, list[type[GatewayError]]]:
    """The errors by the status that each is answered with."""
    found: dict[int, list[type[GatewayError]]] = {}
    for error in errors:
        found.setdefault(STATUSES[error.code], []).append(error)
    return dict(sorted(found.items()))


def _meaning(error: type[GatewayError]) -> str:
    return str(error()).partition("; `")[0]


def _example(error: type[GatewayError], *, openai: bool) -> dict[str, Any]:
    return openai_error(error()) if openai else problem_object(error(), "/v1/…", "req_4f1c9a")
