"""Forms as a server got them, read by the standard library."""

from email import message_from_bytes

from .openai_server import Call


def parts_of(call: Call) -> list[tuple[str, str | None, str, bytes]]:
    """Field, file name, media type and content of each part of a form."""
    head = call.head.partition("\r\n")[2].encode()
    return [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type(), content)
        for part in message_from_bytes(head + call.content).get_payload()
        if (content := part.get_payload(decode=True)) is not None
    ]


def fields_of(call: Call) -> dict[str, str]:
    """The fields that are no files."""
    return {name: content.decode() for name, filename, _, content in parts_of(call) if filename is None}
