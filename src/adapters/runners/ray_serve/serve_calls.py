"""Ray Serve's blocking calls, in our words: never made on an event loop.

Serve itself opens no port: its proxies stay off, for what they serve has no access control, and no application has a
route.
"""

import logging
from collections.abc import Mapping
from typing import Any

import ray
from attrs import frozen
from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.schema import ApplicationStatus, ReplicaState

from .application import DEPLOYMENT, Application, actor_options, model_of
from .replica import EngineReplica

AFFINE = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
"""Sends the requests of a session to one replica, whose engine has read their beginning; to another if it is full."""

HEALTH_EVERY_S = 1.0
"""How soon Serve finds out that a replica is gone, and begins another one."""

FINISH_S = 20.0
"""How long a replica that is to go may work on what it has begun."""

TRIES = 1
"""How often a replica is begun before the application has failed: who asked for it may ask again."""


@frozen
class Deployed:
    """What Serve says of an application of ours."""

    running: int
    failed: bool


def start() -> None:
    """Begin Serve on this cluster, unless it has begun."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(proxy_location="Disabled")


def deploy(application: Application) -> None:
    """Begin an application, without waiting for it."""
    routed = {"request_router_config": RequestRouterConfig(request_router_class=AFFINE)}
    deployment = serve.deployment(EngineReplica).options(
        name=DEPLOYMENT,
        ray_actor_options=actor_options(application),
        max_ongoing_requests=application.options.parallel,
        max_queued_requests=max(application.queue_limit, 1),
        autoscaling_config=AutoscalingConfig(
            min_replicas=application.min_replicas,
            max_replicas=application.max_replicas,
            target_ongoing_requests=application.options.parallel,
        ),
        health_check_period_s=HEALTH_EVERY_S,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=FINISH_S,
        max_constructor_retry_count=TRIES,
        **(routed if application.max_replicas > 1 else {}),
    )
    target = serve.RunTarget(deployment.bind(application), name=application.name, route_prefix=None)
    serve.run_many([target], wait_for_applications_running=False)


def deployed() -> Mapping[str, Deployed]:
    """Our applications, by name."""
    return {
        name: Deployed(
            sum(it.replica_states.get(ReplicaState.RUNNING, 0) for it in said.deployments.values()),
            said.status == ApplicationStatus.DEPLOY_FAILED,
        )
        for name, said in serve.status().applications.items()
        if model_of(name)
    }


def delete(name: str) -> None:
    """Return once an application is gone; one that is not there is no error."""
    serve.delete(name)


def fits_somewhere(resources: Mapping[str, float]) -> bool:
    """Whether a node is large enough, were it empty."""
    return any(
        all(node["Resources"].get(name, 0) >= amount for name, amount in resources.items())
        for node in ray.nodes()
        if node["Alive"]
    )


def has_room(resources: Mapping[str, float], replicas: int, wait_s: float) -> bool:
    """Whether so many replicas find a place now, or within `wait_s` seconds."""
    group = ray.util.placement_group([dict(resources)] * replicas)
    try:
        return bool(group.wait(wait_s))
    finally:
        ray.util.remove_placement_group(group)


def handle_of(name: str) -> Any:
    """What sends requests to an application, and gives their frames as they come."""
    return serve.get_app_handle(name).options(method_name="generate", stream=True)
