"""How quickly models are found and listed: `python -m benchmarks.catalog` prints a table.

Medians of `ROUNDS`; the files are in the system's cache. The 200 files are of mixed kinds: GGUF with a vocabulary of
49,152 tokens, safetensors folders, pipelines, broken and foreign ones.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import msgspec
from attrs import evolve

from pluggably.adapters.catalog.folder import ModelFolder
from pluggably.adapters.catalog.registry import SqlModelRegistry, SqlModelUses
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.local_models import MemoryModelLoader
from pluggably.adapters.memory.models import ListedModels
from pluggably.adapters.runners.engines import ENGINES
from pluggably.application.catalog import Catalog
from pluggably.domain.model import Modality, Model
from pluggably.entrypoints.http.model_objects import ShownModels, tag_of
from pluggably.entrypoints.http.paging import list_object

ROUNDS = 9
MODELS = 1_000
FILES = 200
VOCABULARY = 49_152
PROFILES = {name: spec.profile for name, spec in ENGINES.items()}

encode = msgspec.json.Encoder().encode


def string(text: str) -> bytes:
    return pack("<Q", len(text)) + text.encode()


def gguf(name: str) -> bytes:
    words = b"".join(string(f"token{number}") for number in range(VOCABULARY))
    values = {
        "general.architecture": pack("<I", 8) + string("llama"),
        "general.name": pack("<I", 8) + string(name),
        "llama.context_length": pack("<II", 4, 8_192),
        "tokenizer.chat_template": pack("<I", 8) + string("{{ messages }}" * 200),
        "tokenizer.ggml.tokens": pack("<IIQ", 9, 8, VOCABULARY) + words,
    }
    head = b"GGUF" + pack("<IQQ", 3, 1, len(values)) + b"".join(string(key) + it for key, it in values.items())
    head += string("output.weight") + pack("<IQQIQ", 2, 64, 64, 0, 0)
    return head + bytes(-len(head) % 32 + 64 * 64 * 4)


def safetensors(layers: int = 200) -> bytes:
    tensors = {
        f"model.layers.{n}.weight": {"dtype": "BF16", "shape": [8], "data_offsets": [16 * n, 16 * n + 16]}
        for n in range(layers)
    }
    header = json.dumps(tensors).encode()
    return pack("<Q", len(header)) + header + bytes(16 * layers)


def put(path: Path, content: bytes | dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def fill(root: Path) -> None:
    """`FILES` models, of every kind."""
    weights = safetensors()
    config = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8_192}
    for number in range(FILES):
        kind, name = number % 5, f"Model-{number}"
        if kind in (0, 1):
            put(root / f"{name}-Q4_K_M.gguf", gguf(name))
        elif kind == 2:
            put(root / name / "config.json", config)
            put(root / name / "model.safetensors", weights)
            put(root / name / "tokenizer.json", {})
            put(root / name / "tokenizer_config.json", {"chat_template": "{{ messages }}"})
        elif kind == 3:
            index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
            put(root / name / "model_index.json", index)
            put(root / name / "unet" / "config.json", {})
            put(root / name / "unet" / "diffusion_pytorch_model.safetensors", weights)
        else:
            put(
                root / f"{name}.gguf",
                [b"<html>", gguf(name)[:1_000], b"\x80\x04" * 99, b"GGUF" + b"\xff" * 99][number % 4],
            )


def median_ms(work: Callable[[], Any]) -> float:
    taken_ms = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        taken_ms.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken_ms)


def discovery_rows(root: Path) -> list[str]:
    fill(root)

    def scanned() -> ModelFolder:
        folder = ModelFolder([root], PROFILES)
        assert len(asyncio.run(folder.models())) == FILES
        return folder

    known = scanned()
    first, again = median_ms(scanned), median_ms(lambda: asyncio.run(known.models()))
    (root / "Model-0-Q4_K_M.gguf").touch()

    def touched() -> None:
        (root / "Model-0-Q4_K_M.gguf").touch()
        asyncio.run(known.models())

    return [
        f"| discovery of {FILES} models of mixed kinds | {first:.0f} ms | < 1,000 ms |",
        f"| the same again, when nothing has changed | {again:.1f} ms | |",
        f"| the same again, when one has changed | {median_ms(touched):.1f} ms | |",
    ]


async def catalog_rows(root: Path) -> list[str]:
    (template,) = [it for it in await ModelFolder([root], PROFILES).models() if it.id == "model-0"]
    listed = [evolve(template, id=f"model-{n}", path=f"/m/{n}") for n in range(MODELS)]
    database = SqliteDatabase(root.parent / "gateway.sqlite")
    catalog = Catalog(
        sources=[ListedModels(listed)],
        runners=MemoryModelLoader(),
        registry=SqlModelRegistry(database),
        uses=SqlModelUses(database),
        defaults={Modality.TEXT: "model-7"},
    )
    await catalog.refresh()

    known = ShownModels()

    async def shown(encoded: ShownModels = known) -> bytes:
        models: list[Model] = await catalog.list()
        body = encode(list_object([encoded.of(it, default=catalog.is_default(it), with_path=True) for it in models]))
        tag_of(body)
        return body

    async def timed(work: Callable[[], Any], times: int = 1) -> float:
        taken_ms = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            for _ in range(times):
                await work()
            taken_ms.append(1000 * (time.perf_counter() - begun) / times)
        return statistics.median(taken_ms)

    rows = [
        f"| list {MODELS:,} models, as JSON with its entity tag | {await timed(shown):.1f} ms | < 10 ms |",
        f"| the same, the first time | {await timed(lambda: shown(ShownModels())):.1f} ms | < 10 ms |",
        f"| find the model of a request among them | "
        f"{1000 * await timed(lambda: catalog.resolve('model-500', Modality.TEXT), 1_000):.2f} µs | no I/O |",
        f"| merge all of them anew | {await timed(catalog.refresh):.1f} ms | |",
        f"| look whether another gateway changed anything (SQLite) | {await timed(catalog.follow):.2f} ms | |",
    ]
    await database.close()
    return rows


def report() -> str:
    """The figures as a Markdown table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not /tmp, which may be memory
        root = Path(folder) / "models"
        rows = [*discovery_rows(root), *asyncio.run(catalog_rows(root))]
    return "\n".join(["| models | measured | goal |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(report())
