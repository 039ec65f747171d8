"""The document (OpenAPI 3.1): written from the operations, and from the tables that the service itself obeys."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

import attrs

from ....domain.access import Scope
from ...structuring import written_name
from ..permissions import PERMISSIONS, PUBLIC
from ..schema import Schema, Schemas
from . import failures
from .areas import AREAS
from .components import Components, by_status, headers_object
from .headers import REQUEST_ID
from .operation import UNNAMED, Answer, Area, Body, Errors, Operation

DESCRIPTION: Final = """
One HTTP API for text, image and 3D generation over any backend, with event-sourced sessions.

JSON in and out, UTF-8. Times are RFC 3339 UTC, sizes bytes, durations seconds (`_s`) or milliseconds (`_ms`). Ids are
prefixed and opaque. Every answer has an `X-Request-Id`.

Errors are problem objects (RFC 9457) with a stable `code`; all that is wrong with a request is said at once. OpenAI's
routes have OpenAI's error object, with the same codes.

Streams are server-sent events: a comment at least every 15 s, and no success without the last event.
"""

_SCHEMES = ("bearer", "apiKey")
_UNDESCRIBED = "openapi/ does not describe {}: add it to one of its areas"


def document() -> dict[str, Any]:
    """The whole document."""
    components = Components()
    paths: dict[str, dict[str, Any]] = {}
    for area in AREAS:
        for operation in area.operations:
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, area, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pluggably LLM API Gateway",
            "version": version("pluggably"),
            "description": DESCRIPTION.strip(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The service that this document comes from."}],
        "security": [{scheme: []} for scheme in _SCHEMES],
        "tags": [{"name": area.name, "description": area.description} for area in AREAS],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "responses": dict(sorted(components.responses.items())),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`Authorization: Bearer …`: an API key, or a token of an identity provider.",
                },
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
            },
        },
    }


def expect_described(routes: Mapping[str, Iterable[str]], areas: Iterable[Area] = AREAS) -> None:
    """Insist that every method of every route is described, and nothing else, before anything is served.

    Args:
        routes: the methods of each route, by its template.
        areas: what is described.

    Raises:
        RuntimeError: they are not.
    """
    served = {(method, template) for template, methods in routes.items() for method in methods}
    described = {(it.method, it.template) for area in areas for it in area.operations}
    if missing := sorted(served - described):
        raise RuntimeError(_UNDESCRIBED.format(", ".join(map(" ".join, missing))))
    if gone := sorted(described - served):
        raise RuntimeError(f"openapi/ describes what there is not: {', '.join(map(' '.join, gone))}")


def _operation(it: Operation, area: Area, components: Components) -> Schema:
    scopes = _scopes(it)
    written = {
        "operationId": it.id,
        "tags": [area.name],
        "summary": it.summary,
        "description": "\n\n".join(filter(None, [it.description, _needs(scopes)])),
        "security": [{scheme: list(one)} for one in _each(scopes) for scheme in _SCHEMES],
        "parameters": [*_in_path(it), *_in_query(it), *_in_headers(it)],
        "responses": _responses(it, scopes, components),
    }
    return written | ({"requestBody": _request_body(it.body, components)} if it.body else {})


def _scopes(it: Operation) -> tuple[Scope, ...] | None:
    """One of them is needed; an empty tuple means any credentials, None that none are."""
    return None if (it.method, it.template) in PUBLIC else PERMISSIONS[it.template][it.method]


def _each(scopes: tuple[Scope, ...] | None) -> list[tuple[str, ...]]:
    return [] if scopes is None else [(scope.value,) for scope in scopes] or [()]


def _needs(scopes: tuple[Scope, ...] | None) -> str:
    if scopes is None:
        return "Needs no credentials."
    named = " or ".join(f"`{scope}`" for scope in scopes)
    return f"Needs the scope {named}." if named else "Needs credentials, of any scope."


def _in_path(it: Operation) -> list[Schema]:
    names = [part[1:-1] for part in it.path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in names
    ]


_PATH: Final[Mapping[str, str]] = {
    "asset": "One of the files that the page loads.",
    "download_id": "The id of the download, `dl_…`.",
    "artifact_id": "The id of the artifact, `art_…`.",
    "generation_id": "The id of the generation, `gen_…`.",
    "key_id": "The id of the key, `key_…`.",
    "model_id": "The id of the model, or an alias; its slashes as they are, or as `%2F`.",
    "session_id": "The id of the session, `ses_…`.",
}


def _in_query(it: Operation) -> list[Schema]:
    if it.query is None:
        return []
    return [_query_parameter(field, field.name in it.maps) for field in attrs.fields(it.query)]


def _query_parameter(field: "attrs.Attribute[Any]", is_map: bool) -> Schema:
    schema = Schemas().of(field.type)
    if is_map:
        schema |= {"propertyNames": {"pattern": rf"^{field.name}\..+$"}}
    about = {"description": schema.pop("description")} if "description" in schema else {}
    default = {} if field.default in (attrs.NOTHING, None, ()) or is_map else {"default": field.default}
    required = {"required": True} if field.default is attrs.NOTHING else {}
    exploded = {"style": "form", "explode": True} if schema["type"] in ("object", "array") else {}
    return {
        "name": written_name(field.name),
        "in": "query",
        **about,
        **required,
        **exploded,
        "schema": schema | default,
    }


def _in_headers(it: Operation) -> list[Schema]:
    return [
        {"name": header.name, "in": "header", "description": header.description, "schema": header.schema}
        for header in it.headers
    ]


def _request_body(body: Body, components: Components) -> Schema:
    examples = {"examples": {name: {"value": value} for name, value in body.examples.items()}} if body.examples else {}
    content: Schema
    if body.files:
        content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in body.files}
    else:
        schema = body.schema(components.lenient) if body.schema else components.strict.of(body.json)
        content = {"application/json": {"schema": schema, **examples}}
    return {"required": body.required, "content": content}


def _responses(it: Operation, scopes: tuple[Scope, ...] | None, components: Components) -> Schema:
    answered = {str(status): _answer(answer, components.lenient) for status, answer in it.answers.items()}
    failed = {
        str(status): components.refer_to_failure(status, errors, it.path)
        for status, errors in by_status(_errors(it, scopes)).items()
    }
    return answered | failed


def _errors(it: Operation, scopes: tuple[Scope, ...] | None) -> Errors:
    found = it.errors + failures.ANY
    found += () if it.path.startswith("/health/") else failures.DRAINED
    found += failures.PROTECTED if scopes is not None else ()
    found += failures.SCOPED if scopes else ()
    found += failures.CHECKED if it.query or it.body or it.headers else ()
    return found + (failures.SENT if it.body else ())


def _answer(answer: Answer, answers: Schemas) -> Schema:
    content = {
        **({"application/json": {"schema": answers.of(answer.json)}} if answer.json else {}),
        **({"application/json": {"schema": _page(answers.of(answer.page))}} if answer.page else {}),
        **({"application/x-ndjson": {"schema": _lines(answers.of(answer.lines))}} if answer.lines else {}),
        **({"text/event-stream": {"schema": _events(answer, answers)}} if answer.events else {}),
        **{media_type: {"schema": schema} for media_type, schema in answer.raw.items()},
        **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in answer.files},
    }
    return {
        "description": answer.description,
        "headers": headers_object((REQUEST_ID, *answer.headers)),
        **({"content": content} if content else {}),
    }


def _page(item: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "object": {"type": "string", "const": "list"},
            "data": {"type": "array", "items": item},
            "has_more": {"type": "boolean", "description": "Whether there are more pages."},
            "next_after": {"type": ["string", "null"], "description": "The cursor of the next page; opaque."},
        },
        "required": ["object", "data", "has_more", "next_after"],
    }


def _lines(item: Schema) -> Schema:
    return {"type": "string", "contentMediaType": "application/x-ndjson", "contentSchema": item}


def _events(answer: Answer, answers: Schemas) -> Schema:
    events = [_event(name, answers.of(data)) for name, data in answer.events.items()]
    events += [_event(UNNAMED, None, answer.terminator)] if answer.terminator else []
    return {"description": "Each of the server-sent events.", "type": "object", "anyOf": events}


def _event(name: str, data: Schema | None, text: str = "") -> Schema:
    """An event as OpenAPI 3.2 describes one: its data is a text, which has a schema of its own."""
    said: Schema = {"type": "string"}
    said |= {"const": text} if data is None else {"contentMediaType": "application/json", "contentSchema": data}
    named = {} if name == UNNAMED else {"event": {"const": name}}
    return {
        "title": text or name,
        "type": "object",
        "properties": {**named, "data": said},
        "required": [*named, "data"],
    }
