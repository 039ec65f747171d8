"""Pictures that stand in a request themselves."""

from attrs import frozen

from ....domain.errors import InvalidRequest


@frozen
class Inline:
    """A picture as base64."""

    media_type: str
    base64: str


def inline(url: str) -> Inline | None:
    """What a `data:` URL holds; None if it is another kind of URL.

    Raises:
        InvalidRequest: it is a `data:` URL without base64.
    """
    if not url.startswith("data:"):
        return None
    head, comma, content = url.partition(",")
    media_type, _, encoding = head.removeprefix("data:").rpartition(";")
    if not (comma and media_type and encoding.lower() == "base64"):
        raise InvalidRequest.at("/input", "a `data:` URL must be data:<media type>;base64,<data>")
    return Inline(media_type, content)
