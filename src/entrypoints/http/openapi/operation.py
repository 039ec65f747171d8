"""What is said of an operation: what it takes, what it answers, and what can go wrong.

Bodies and queries are the classes that requests are structured into, answers are classes that say what is rendered;
errors are those of the domain. All the rest of the document (statuses, credentials, problem objects) follows from the
tables that the service itself obeys.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from ....domain.errors import GatewayError
from ..schema import Schema, Schemas

Described = Any
"""A class or a type, to be written as a schema."""

UNNAMED = "message"
"""What an event without a name is called (HTML, 9.2.6)."""

Errors = tuple[type[GatewayError], ...]


@frozen
class Header:
    """A header of a request or an answer."""

    name: str
    description: str
    schema: Schema = field(factory=lambda: {"type": "string"})


@frozen(kw_only=True)
class Body:
    """What is sent. `json` is its class; `schema` writes it where no class can say it; `files` are media types."""

    json: Described = None
    schema: Callable[[Schemas], Schema] | None = None
    files: tuple[str, ...] = ()
    required: bool = True
    examples: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Answer:
    """One status: what comes with it, in one or several media types.

    `json` is an object, `page` what a list is of, `lines` what stands in each line of NDJSON, `files` are media types.
    `events` are those of a stream, by name, and `terminator` is the text of the last one, if it is not JSON. `raw` are
    schemas that no class can say.
    """

    description: str
    json: Described = None
    page: Described = None
    lines: Described = None
    events: Mapping[str, Described] = field(factory=dict)
    terminator: str = ""
    files: tuple[str, ...] = ()
    raw: Mapping[str, Schema] = field(factory=dict)
    headers: tuple[Header, ...] = ()


@frozen(kw_only=True)
class Operation:
    """A method of a route.

    `path` is how it is documented, `route` its template where that is another one. `query` is the class of the query;
    those of its fields that are `maps` come as `field.name`.
    """

    method: str
    path: str
    id: str
    summary: str
    answers: Mapping[int, Answer]
    route: str = ""
    description: str = ""
    query: type | None = None
    maps: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    body: Body | None = None
    errors: Errors = ()

    @property
    def template(self) -> str:
        """The route, as the table of routes has it."""
        return self.route or self.path


@frozen
class Area:
    """Operations that belong together."""

    name: str
    description: str
    operations: tuple[Operation, ...]
