"""What a model is on the cluster: a Serve application, named by everything that makes it another one."""

from hashlib import sha256
from typing import Any

import msgspec
from attrs import asdict, field, frozen

from ..engine import EngineOptions
from .node_files import FileSource, ModelFile

PREFIX = "pluggably-1."
"""Begins the names of our applications; the number changes with what gateways, keeper and replicas say."""

DEPLOYMENT = "engine"


@frozen(kw_only=True)
class Application:
    """One model, loaded with certain options, on so many replicas, each of which takes so much of a node.

    `options.path` is where the gateway has the model. `source` says how nodes come by the files; it is no part of the
    name, so that gateways may differ in it.
    """

    model_id: str
    engine: str
    options: EngineOptions
    files: tuple[ModelFile, ...]
    min_replicas: int
    max_replicas: int
    queue_limit: int
    cpus: float
    memory_bytes: int
    gpus: float
    source: FileSource = field(eq=False)

    @property
    def name(self) -> str:
        """The application's name: the same for the same, from every gateway."""
        facts = asdict(self, filter=lambda attribute, _: attribute.name not in ("source", "path"))
        return f"{PREFIX}{self.model_id}.{sha256(msgspec.msgpack.encode(facts)).hexdigest()[:16]}"

    @property
    def resources(self) -> dict[str, float]:
        """What one replica takes of a node, in Ray's words."""
        gpus = {"GPU": self.gpus} if self.gpus else {}
        return {"CPU": self.cpus, "memory": float(self.memory_bytes), **gpus}


def model_of(name: str) -> str | None:
    """The id of the model that an application of that name is; None if it is none of ours."""
    return name.removeprefix(PREFIX).rpartition(".")[0] if name.startswith(PREFIX) else None


def actor_options(application: Application) -> dict[str, Any]:
    """What each replica asks for."""
    return {"num_cpus": application.cpus, "memory": application.memory_bytes, "num_gpus": application.gpus}
