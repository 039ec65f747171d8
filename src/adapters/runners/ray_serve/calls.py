"""What gateways, keeper and replicas say to each other across the cluster, and what Ray's errors are in our words."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import ray
from attrs import frozen
from ray.exceptions import RayError
from ray.serve.exceptions import DeploymentUnavailableError, RayServeException

from ....domain.errors import GatewayError, ModelLoading, RunnerCrashed

NAMESPACE = "pluggably"
KEEPER = "model-keeper-1"

RECONNECT_S = 5.0
"""When a cluster that does not answer is asked again."""


@frozen(kw_only=True)
class Report:
    """What a gateway tells the keeper: its settings, and by application how many requests it has there."""

    gateway: str
    keep_alive_s: float
    kept: frozenset[str]
    requests: Mapping[str, int]


@frozen(kw_only=True)
class Standing:
    """What the keeper tells of an application."""

    state: Literal["loading", "loaded", "unloading"]
    replicas: int


async def tell_keeper(method: str, *facts: object) -> None:
    """Tell the keeper something from a replica; without a keeper there is nobody who waits for it."""
    with suppress(ValueError, RayError):
        await getattr(ray.get_actor(KEEPER, NAMESPACE), method).remote(*facts)


def to_error(error: RayError | RayServeException) -> GatewayError:
    """The domain error for what became of a request."""
    if isinstance(error, DeploymentUnavailableError):
        return ModelLoading(detail="The model was unloaded while the request was on its way.", retry_after_s=1)
    return RunnerCrashed(detail="The model's replica, or its node, is gone; the next request goes to another one.")


def unreached() -> ModelLoading:
    """The error for a cluster, or a keeper, that does not answer."""
    return ModelLoading(detail="The Ray cluster does not answer.", retry_after_s=RECONNECT_S)


Handle = Any
"""Of an actor or a deployment: Ray's own types for them say nothing of their methods."""
