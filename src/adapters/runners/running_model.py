"""What is told of a local model that runs."""

from attrs import frozen


@frozen(kw_only=True)
class RunningModel:
    """A model here, the memory of its runners, and how many requests it works on, or has waiting."""

    model_id: str
    resident_bytes: int
    working: int
    waiting: int
