"""How the audit trail's events are named and written: a closed registry of its own, by the rules of `topics`."""

from cattrs.errors import BaseValidationError

from ...domain.audit import AuditRead
from ...domain.errors import GatewayError
from .topics import CONVERTER, Values

READ = "audit.read.v1"


def to_stored(read: AuditRead) -> tuple[str, Values]:
    """The topic and the values of a read."""
    return READ, CONVERTER.unstructure(read)


def from_stored(topic: str, values: Values) -> AuditRead:
    """The read of a topic and its values.

    Raises:
        GatewayError: this version of the gateway does not know the topic, or the values are not of its form.
    """
    if topic != READ:
        raise GatewayError(
            detail=f"The audit trail has an event {topic!r}, which this version of the gateway does not know: "
            "it was written by a newer one."
        )
    try:
        return CONVERTER.structure(values, AuditRead)
    except BaseValidationError as exc:
        raise GatewayError(detail=f"A stored event {topic!r} does not have the form of its kind.") from exc
