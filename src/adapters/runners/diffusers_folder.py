"""Loads a diffusers folder (`model_index.json` and a folder a component) without trusting what is in it.

Only safetensors are opened, nothing is fetched, and no code that comes with a model is run: diffusers 0.42 refuses
classes that are not its own or transformers'. Weights are kept in the type they are stored in, except that a processor
computes float16 in float32.
"""

import re
from collections.abc import Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from huggingface_hub import metadata_load
from safetensors import safe_open
from transformers.utils import logging as transformers_logging

Pipeline: TypeAlias = Any
"""A pipeline of diffusers; what they have in common is nothing that a type checker could see."""

Scheduler: TypeAlias = Any
"""A scheduler of diffusers; as above."""

_WEIGHTS = ("diffusion_pytorch_model", "model")
_VARIANT = re.compile(r"\.(?P<variant>[a-z0-9]+)(?:-\d{5}-of-\d{5})?\.safetensors$")
_DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16}
_CARD = "README.md"


def load_pipeline(path: str) -> Pipeline:
    """The pipeline in the folder, on the accelerator if there is one.

    Raises:
        OSError: weights are missing, or are pickles.
        ValueError: a component is of a class that is neither diffusers' nor transformers'.
    """
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # has no annotations
    weights = sorted(it for it in Path(path).glob("*/*.safetensors") if it.name.startswith(_WEIGHTS))
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    pipeline: Pipeline = DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]  # has no annotations
        path,
        dtype=_dtype(weights, device),
        variant=_variant(weights),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    return pipeline.to(device)


def card_settings(path: str) -> Mapping[str, Any]:
    """What the model's card says suits it: `inference: parameters:` at its head, by the names that diffusers uses."""
    card = Path(path, _CARD)
    head = metadata_load(card) if card.is_file() else None
    inference = (head or {}).get("inference")
    settings = inference.get("parameters") if isinstance(inference, dict) else None
    return {name: it for name, it in settings.items() if isinstance(it, int | float)} if settings else {}


def call_defaults(pipeline: Pipeline) -> Mapping[str, Any]:
    """The arguments that the pipeline's call takes, with their defaults; None where there is none."""
    arguments = signature(type(pipeline).__call__).parameters.values()
    return {it.name: None if it.default is Parameter.empty else it.default for it in arguments}


def _variant(weights: list[Path]) -> str | None:
    """The variant to load (`fp16` in `model.fp16.safetensors`): none, unless there is nothing else."""
    found = [_VARIANT.search(path.name) for path in weights]
    return found[0]["variant"] if found and all(found) and found[0] else None


def _dtype(weights: list[Path], device: torch.device) -> torch.dtype:
    """The type that the largest file has: a folder must be loaded in one."""
    largest = max(weights, key=lambda path: path.stat().st_size, default=None)
    if largest is None:
        return torch.float32
    with safe_open(largest, "pt") as file:
        stored = _DTYPES.get(file.get_slice(next(iter(file.keys()))).get_dtype(), torch.float32)
    return torch.float32 if stored == torch.float16 and device.type == "cpu" else stored
