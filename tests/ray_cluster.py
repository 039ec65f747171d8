"""A Ray cluster of two nodes on this machine: the head, which is ours and runs no model, and one that can be killed."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is not ours to mend
    import ray
    import ray.serve
    from ray.cluster_utils import Cluster

NODE_BYTES = 2**30
"""The memory of a node for models; nobody holds them to it."""

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",  # a node that says nothing five times is dead
    "RAY_enable_metrics_collection": "0",
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, sys.path)]),
    "PYTHONWARNINGS": "ignore",
}


class RayCluster:
    """Owns the cluster and this process's connection to it."""

    def __enter__(self) -> "RayCluster":
        os.environ.update(_ENVIRONMENT)
        self._cluster = Cluster(
            initialize_head=True, head_node_args=_node(cpus=0, memory=0) | {"include_dashboard": False}
        )
        self.address: str = self._cluster.address
        self.nodes = [self.add_node()]
        ray.init(address=self.address, namespace="pluggably", log_to_driver=False, logging_level="error")
        return self

    def __exit__(self, *_: object) -> None:
        ray.shutdown()
        for node in (*self._cluster.worker_nodes, self._cluster.head_node):
            _end(node)

    def add_node(self, cpus: float = 8, memory: int = NODE_BYTES) -> object:
        """One more node for models."""
        return self._cluster.add_node(**_node(cpus=cpus, memory=memory))

    def kill(self, node: object) -> None:
        """End a node as a power cut would."""
        _end(node)
        self._cluster.worker_nodes.discard(node)


def _end(node: Any) -> None:
    """Not by `Cluster.remove_node`, which refuses a node that this process was ever connected to."""
    node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def _node(*, cpus: float, memory: int) -> dict[str, object]:
    return {"num_cpus": cpus, "memory": memory, "object_store_memory": 80 * 2**20, "num_gpus": 0}
