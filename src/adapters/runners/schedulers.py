"""The schedulers that a request can name, as classes of diffusers 0.42 made from the model's own configuration.

A scheduler keeps state while it works, so each request gets one of its own.
"""

from collections.abc import Mapping
from typing import Any

from diffusers import SchedulerMixin

from ...domain.errors import InvalidRequest
from .diffusers_folder import Scheduler

CLASSES: Mapping[str, tuple[str, ...]] = {
    "ddim": ("DDIMScheduler",),
    "ddpm": ("DDPMScheduler",),
    "dpm++": ("DPMSolverMultistepScheduler",),
    "euler": ("EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler",),
    "heun": ("HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"),
    "lms": ("LMSDiscreteScheduler",),  # needs scipy
    "pndm": ("PNDMScheduler",),
    "unipc": ("UniPCMultistepScheduler",),
}
"""Each name's classes: that for models which predict noise, and that for models which predict flow."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {"PNDMScheduler": {"skip_prk_steps": True}}
"""What is set against a configuration that was written for another class: Runge-Kutta steps would be ten more."""


def new_scheduler(own: Scheduler, name: str | None) -> Scheduler:
    """A fresh scheduler of that name, or one like the model's own.

    Raises:
        InvalidRequest: the model cannot be run with it.
    """
    if name is None:
        return _made(type(own), own)
    suitable = _suitable(own)
    if name not in suitable:
        raise InvalidRequest.at("/parameters/scheduler", f"{name!r} does not suit this model", tuple(suitable))
    return _made(suitable[name], own)


def _suitable(own: Scheduler) -> dict[str, type[Scheduler]]:
    """By name; a class whose packages are not here is a dummy of diffusers, and no scheduler."""
    there = {kind.__name__: kind for kind in (type(own), *own.compatibles) if issubclass(kind, SchedulerMixin)}
    found = {name: [there[it] for it in classes if it in there] for name, classes in CLASSES.items()}
    return {name: kinds[0] for name, kinds in found.items() if kinds}


def _made(kind: type[Scheduler], own: Scheduler) -> Scheduler:
    changed = {} if kind is type(own) else OPTIONS.get(kind.__name__, {})
    return kind.from_config(own.config, **changed)
