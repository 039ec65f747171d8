"""What a client asks to have generated."""

from attrs import field, frozen

from ..domain.artifact import Delivery
from ..domain.generation import Message, Metadata
from ..domain.idempotency import IdempotencyKey
from ..domain.model import Modality
from ..domain.parameters import Parameters


@frozen(kw_only=True)
class GenerateCommand:
    """What a client asks for.

    `session_version` is the version that the client insists on, if it does. `state_token` is a token, or `auto`.
    """

    modality: Modality
    messages: tuple[Message, ...]
    parameters: Parameters
    model: str | None = None
    stream: bool = False
    delivery: Delivery = "auto"
    session_id: str | None = None
    session_version: int | None = None
    state_token: str | None = None
    idempotency: IdempotencyKey | None = None
    metadata: Metadata = field(factory=dict)
