"""Reads what a diffusers folder says of itself: `model_index.json`, and a folder for each component that it names.

The index has the pipeline's class and each component's library and class: https://huggingface.co/docs/diffusers (the
files that `save_pretrained` writes). As everywhere here no weights are read; pickles are recognised by their names, and
not opened. What else lies in a component's folder belongs to nobody.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from .card import NAME as CARD
from .card import Card, read_card
from .picture_facts import PictureFacts, read_picture_facts
from .safetensors import CONFIG, Index, read_json, tensor_bytes

INDEX = "model_index.json"

Parts = Mapping[str, Collection[str]]
"""The names of the files in each folder of a pipeline, by its path in it; "" for the pipeline's own."""

_WEIGHTS = re.compile(
    r"^(?P<base>model|diffusion_pytorch_model)(?:\.(?P<variant>\w+))?(?P<shard>-\d{5}-of-\d{5})?\.safetensors$"
)
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_SCHEDULERS = ("scheduler_config.json",)


@frozen(kw_only=True)
class PipelineFolder:
    """What a diffusers folder says of itself.

    `pipeline` is its class, None if that is not one of diffusers; `dtype` the type that most of the weights have,
    `weights` the files that hold them. `missing` are files that belong to it and are not there, `pickled` the
    components that have no weights but pickles.
    """

    pipeline: str | None
    dtype: str | None
    weights: tuple[str, ...]
    card: Card = field(factory=Card)
    pictures: PictureFacts = field(factory=PictureFacts)
    missing: tuple[str, ...] = ()
    pickled: tuple[str, ...] = ()


@frozen
class _Component:
    """The weights of a component, what it lacks, and whether they are pickles."""

    weights: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    pickled: bool = False


def read_pipeline(folder: Path, parts: Parts) -> PipelineFolder:
    """Read the files of the folder that say what the model is.

    Raises:
        MalformedSafetensors: one of them is damaged or not all there.
        OSError: one of them cannot be read.
    """
    index = read_json(folder / INDEX, dict[str, Any])
    components = {
        name: _component(folder / name, library, kind, parts.get(name, ()))
        for name, library, kind in _components(index)
    }
    weights = tuple(f"{name}/{file}" for name, it in components.items() for file in it.weights)
    dtypes: Counter[str] = Counter()
    for name in weights:
        dtypes.update(tensor_bytes(folder / name))
    pipeline = index.get("_class_name")
    card = read_card(folder / CARD) if CARD in parts.get("", ()) else Card()
    return PipelineFolder(
        pipeline=pipeline if isinstance(pipeline, str) else None,
        dtype=dtypes.most_common(1)[0][0] if dtypes else None,
        weights=weights,
        card=card,
        pictures=read_picture_facts(folder, parts, card.inference),
        missing=tuple(f"{name}/{file}" for name, it in components.items() for file in it.missing),
        pickled=tuple(name for name, it in components.items() if it.pickled),
    )


def _components(index: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Names, libraries and classes; one that is left out has null for those, and what is no pair is a setting."""
    for name, value in index.items():
        match value:
            case [str(library), str(kind)] if not name.startswith("_"):
                yield name, library, kind


def _component(folder: Path, library: str, kind: str, names: Collection[str]) -> _Component:
    if kind.endswith("Scheduler"):
        return _needing(_SCHEDULERS, names)
    if "Tokenizer" in kind:
        return _needing(_TOKENIZERS, names)
    if "Processor" in kind or "FeatureExtractor" in kind:
        return _needing(_PROCESSORS, names)
    found = [match for it in sorted(names) if (match := _WEIGHTS.match(it))]
    plain = [match for match in found if not match["variant"]]
    loaded = plain or [match for match in found if match["variant"] == found[0]["variant"]]
    missing = [] if CONFIG in names else [CONFIG]
    if loaded:
        missing += _missing_shards(folder, loaded[0], names)
        return _Component(weights=tuple(match.string for match in loaded), missing=tuple(missing))
    if any(it.endswith(_PICKLES) for it in names):
        return _Component(pickled=True)
    ordinary = "model.safetensors" if library == "transformers" else "diffusion_pytorch_model.safetensors"
    return _Component(missing=(*missing, ordinary))


def _needing(any_of: Collection[str], names: Collection[str]) -> _Component:
    return _Component() if any(it in names for it in any_of) else _Component(missing=(next(iter(any_of)),))


def _missing_shards(folder: Path, first: re.Match[str], names: Collection[str]) -> list[str]:
    if not first["shard"]:
        return []
    variant = f".{first['variant']}" if first["variant"] else ""
    base = f"{first['base']}.safetensors.index"
    possible = (f"{base}{variant}.json", f"{first['base']}{variant}.safetensors.index.json")
    index = next((it for it in possible if it in names), None)
    if index is None:
        return [possible[0]]
    return sorted(set(read_json(folder / index, Index).weight_map.values()).difference(names))
