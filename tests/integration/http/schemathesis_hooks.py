"""What Schemathesis is told besides the document: what answers may not have, and what no schema can say."""

import re
from typing import Any

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse, UseAfterFree

from tests.integration.http.studio import MODELS

KNOWN = {it.id for it in MODELS}
LONGEST_TOKEN, LONGEST_NAME = 256, 512
"""What is longer than the schemas allow is left as it is: it shall be refused."""

FOR_OTHER_REASONS = (
    r".* /headers/Idempotency-Key",  # for turns of a session, which the body names
    r"createChatCompletion /messages/\d+/content",  # an assistant's message may have calls instead
    r"(generate(Image|3d)|createImage) /input",  # needs words, or a picture
    r"createImage /(width|height)",  # within the bounds of both, which are in one text
    r"(generate\w+ /parameters|createImage )/format",  # what the scripted generator cannot write
    r"holdSession /reason",  # not of blanks
    r"(open|change)Session /context/limit",  # goes with the strategy
    r"listSessions /query/after",  # one that was given out
    r"exportSessions /query/session",  # instead of the filters
    r"(register|change)Model /parameters/.*",  # those of the model's modality
    r"registerModel /(path|model|id)",  # there has to be something
    r"(un)?loadModel ",  # one of this machine
    r"createDownload /(source|sha256/.*|model/id|include/.*)",  # of a source that there is; names of files, and digests
    r"deleteModel /query/files",  # those in a model folder
)
"""Where a request is invalid for what there is, or for another of its parts, which no schema can say."""


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Answers have nothing that is not documented; that clients have to expect more is a promise to us, not to them."""
    schemas = raw_schema["components"]["schemas"]
    sent = _named([it.get("requestBody") for path in raw_schema["paths"].values() for it in path.values()], schemas)
    for name in schemas.keys() - sent:
        schemas[name].setdefault("additionalProperties", False)


def _named(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The schemas to which a part of the document refers, directly or not."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)} if (name := reference.rpartition("/")[2]) in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            case dict(entries):
                waiting += entries.values()
            case list(items):
                waiting += items
    return found


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Let most requests be for models and sessions that there are, or they would not come far."""
    if isinstance(body, dict):
        if isinstance(body.get("model"), str) and len(body["model"]) <= LONGEST_NAME and body["model"] not in KNOWN:
            body = {name: it for name, it in body.items() if name != "model"}
        if isinstance(body.get("state_token"), str) and len(body["state_token"]) <= LONGEST_TOKEN:
            body = {name: it for name, it in body.items() if name not in ("state_token", "session_id")}
    return body


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """A request that the schemas allow may be refused for what there is, but is not `invalid_request`; and a key that
    was revoked stays in the list."""
    if isinstance(failure, UseAfterFree):
        return not case.operation.path.startswith("/v1/keys/")
    if isinstance(failure, UnsupportedMethodResponse):
        return response.status_code != 401  # who is nobody is not told which methods there are
    if not isinstance(failure, RejectedPositiveData):
        return True
    answer = response.json()
    if answer.get("code", answer.get("error", {}).get("code")) != "invalid_request":
        return False
    if param := answer.get("error", {}).get("param"):
        answer["errors"] = [{"pointer": "/" + param.replace(".", "/"), "message": answer["error"]["message"]}]
    operation = case.operation.definition.raw["operationId"]
    return not all(_has_other_reason(operation, **it) for it in answer.get("errors", ()))


def _has_other_reason(operation: str, pointer: str, message: str, **_: Any) -> bool:
    if "must be a time such as" in message:
        return True  # to JSON Schema a format is a remark
    return any(re.fullmatch(reason, f"{operation} {pointer}") for reason in FOR_OTHER_REASONS)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Give entity tags their quotes back, which Schemathesis takes off the values that it makes of a pattern."""
    tag = case.headers.get("If-Match", "")
    if re.fullmatch(r"(?:W/)?[0-9]{1,18}(?:\.[0-9a-f]+)?", tag):
        case.headers["If-Match"] = re.sub(r"(?:W/)?(.+)", r'"\1"', tag)
