"""What else is told of models in folders: what they need, what they recommend, and where they came from."""

import json
import os
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.catalog.folder import ModelFolder
from pluggably.adapters.catalog.safetensors import MalformedSafetensors, tensor_bytes
from pluggably.domain.memory import PROCESS_BYTES
from pluggably.domain.model import ModelStatus

from .gguf_file import TENSORS, a_gguf
from .test_folder import ALL, a_safetensors_file, listed, put, put_pipeline, put_safetensors, root, the_one

__all__ = ["root"]

SHAPE = {
    "llama__block_count": ("u32", 30),
    "llama__attention__head_count": ("u32", 9),
    "llama__attention__head_count_kv": ("u32", 3),
    "llama__embedding_length": ("u32", 576),
}
COMMIT = "a" * 40
MIB = 2**20


async def test_a_gguf_file_tells_its_architecture_template_and_what_its_context_takes(root):
    path = put(root, "Smol.gguf", a_gguf(**SHAPE))
    model = await the_one(root)
    assert (model.architecture, model.context_bytes) == ("llama", 2 * 2 * 30 * 3 * 64)
    assert model.chat_template_sha256 == sha256(b"{{ messages }}").hexdigest()
    assert model.memory_bytes == PROCESS_BYTES + path.stat().st_size + 2048 * model.context_bytes


async def test_without_a_shape_the_memory_is_estimated_from_the_size(root):
    put(root, "Smol.gguf")
    model = await the_one(root)
    assert model.context_bytes is None
    assert model.memory_bytes > PROCESS_BYTES


async def test_a_safetensors_folder_tells_the_same(root):
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
    config = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 512} | shape
    template = b"{{ bos_token }}"
    put_safetensors(root, **{"config.json": json.dumps(config).encode(), "chat_template.jinja": template})
    model = await the_one(root)
    assert (model.architecture, model.context_bytes) == ("LlamaForCausalLM", 2 * 2 * 2 * 4 * 16)
    assert model.chat_template_sha256 == sha256(template).hexdigest()


@pytest.mark.parametrize(
    ("said", "defaults"),
    [
        (
            {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 1},
            {"temperature": 0.6, "top_k": 20, "top_p": 1},
        ),
        ({"do_sample": False, "temperature": 0.6}, {"temperature": 0.0}),
        ({"do_sample": True, "temperature": 99, "top_k": "many", "min_p": None}, {}),
        ({"max_length": 20}, {"temperature": 0.0}),
    ],
    ids=["sampling", "greedy", "nonsense", "nothing"],
)
async def test_generation_config_json_recommends_parameters(root, said, defaults):
    put_safetensors(root, **{"generation_config.json": json.dumps(said).encode()})
    assert (await the_one(root)).defaults == defaults


async def test_a_gguf_file_recommends_parameters(root):
    put(root, "Smol.gguf", a_gguf(general__sampling__temp=("f32", 0.7), general__sampling__top_k=("u32", 0)))
    assert (await the_one(root)).defaults == {"temperature": pytest.approx(0.7)}


CARD = b"""---
license: "llama3.2"
extra_gated_prompt: >-
  Agree first.
---
license: none
"""


async def test_the_card_of_a_folder_tells_its_licence_and_whether_it_is_gated(root):
    put_safetensors(root, **{"README.md": CARD})
    put_safetensors(root, "Open", **{"README.md": b"license: mit, or so"})
    put_pipeline(root, files={"README.md": CARD})
    models = await listed(root, ALL)
    assert {it.id: (it.license, it.gated) for it in models.values()} == {
        "smollm2-135m": ("llama3.2", True),
        "open": (None, False),
        "painter": ("llama3.2", True),
    }


def put_in_hub_cache(root, repository="models--acme--Smol", commit=COMMIT, without=(), **files):
    """A repository as huggingface_hub caches it: links in a snapshot to blobs."""
    ordinary = {
        "config.json": b'{"architectures": ["LlamaForCausalLM"]}',
        "model.safetensors": a_safetensors_file(),
        "tokenizer.json": b"{}",
    }
    for name, content in (ordinary | files).items():
        blob = put(root, f"{repository}/blobs/{sha256(content).hexdigest()}", content)
        link = root / repository / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../blobs/{blob.name}")
    put(root, f"{repository}/refs/main", commit.encode())
    return root / repository


async def test_a_snapshot_in_the_hubs_cache_is_named_after_its_repository(root):
    repository = put_in_hub_cache(root)
    model = await the_one(root)
    assert (model.id, model.name, model.status) == ("smol", "Smol", ModelStatus.AVAILABLE)
    assert model.source == f"hf:acme/Smol@{COMMIT}"
    assert model.path == str(repository / "snapshots" / COMMIT)


async def test_a_gguf_file_in_the_hubs_cache_has_its_source_too(root):
    put_in_hub_cache(root, **{"Other-Q4_1.gguf": a_gguf()})
    assert (await listed(root))["other"].source == f"hf:acme/Smol@{COMMIT}"


async def test_a_blob_that_is_gone_makes_a_snapshot_incomplete(root):
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": "more.safetensors"}}).encode()
    repository = put_in_hub_cache(root, **{"model.safetensors.index.json": index, "more.safetensors": b"more"})
    (repository / "blobs" / sha256(b"more").hexdigest()).unlink()
    model = await the_one(root)
    assert (model.status, "more.safetensors is missing" in model.reason) == (ModelStatus.INCOMPLETE, True)


def grown(path, size):
    """Give a file its size, as programs do that fetch it in several pieces."""
    with path.open("r+b") as file:
        file.truncate(size)
    return path


async def test_a_gguf_file_that_was_only_given_its_size_is_incomplete(root):
    tensors = (("big", (4 * MIB,), 0, 16 * MIB),)
    start = a_gguf((("big", (4 * MIB,), 0, 0),))
    grown(put(root, "Smol.gguf", start), len(start) + 16 * MIB + 64)
    model = await the_one(root)
    assert (model.status, "never filled" in model.reason) == (ModelStatus.INCOMPLETE, True)
    put(root, "Smol.gguf", a_gguf(tensors))
    assert (await the_one(root)).status is ModelStatus.AVAILABLE


async def test_a_file_whose_end_was_never_written_is_incomplete(root):
    whole = a_gguf((("big", (4 * MIB,), 0, 16 * MIB),))
    grown(put(root, "Smol.gguf", whole[: 12 * MIB]), len(whole))
    model = await the_one(root)
    assert (model.status, "never filled" in model.reason) == (ModelStatus.INCOMPLETE, True)


async def test_a_safetensors_file_that_was_only_given_its_size_is_incomplete(root):
    folder = put_safetensors(root, **{"model.safetensors": a_safetensors_file(size=8 * MIB)[:4096]})
    whole = len(a_safetensors_file(size=8 * MIB))
    grown(folder / "model.safetensors", whole)
    model = await the_one(root)
    assert (model.status, "never filled" in model.reason) == (ModelStatus.INCOMPLETE, True)
    put(root, "SmolLM2-135M/model.safetensors", a_safetensors_file(size=8 * MIB))
    assert (await the_one(root)).status is ModelStatus.AVAILABLE


async def test_a_header_beyond_all_measure_is_refused_without_reading_it(root):
    bomb = (2**40).to_bytes(8, "little") + b"{" * 100
    put_safetensors(root, **{"model.safetensors": bomb})
    put(root, "bomb.gguf", b"GGUF" + (3).to_bytes(4, "little") + (2**63).to_bytes(8, "little") * 2)
    models = await listed(root)
    assert {it.status for it in models.values()} == {ModelStatus.CORRUPT}
    assert "beyond all measure" in models["smollm2-135m"].reason
    assert "tensors, more than" in models["bomb"].reason


async def test_a_folder_that_has_not_changed_is_not_read_again(root):
    put(root, "Smol.gguf", a_gguf(TENSORS))
    put_safetensors(root)
    put_pipeline(root)
    source = ModelFolder([root], ALL)
    first = await source.models()
    assert await source.models() is first
    put(root, "Other.gguf")
    assert len(await source.models()) == 4


async def test_a_tree_of_folders_deeper_than_calls_may_be_is_looked_through(root):
    here = os.open(root, os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    put(root, "Smol.gguf")
    try:
        assert list(await listed(root)) == ["smol"]
    finally:  # what clears away after tests calls itself for each folder
        while (root / "d").exists():
            (root / "d").rename(root / "top")
            if (root / "top" / "d").exists():
                (root / "top" / "d").rename(root / "d")
            (root / "top").rmdir()


WHOLE = a_safetensors_file()


@given(
    st.one_of(
        st.integers(0, len(WHOLE)).map(lambda end: WHOLE[:end]),
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)).map(
            lambda it: WHOLE[: it[0]] + bytes([it[1]]) + WHOLE[it[0] + 1 :]
        ),
        st.binary(max_size=200),
        st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=100)).map(
            lambda it: it[0].to_bytes(8, "little") + it[1]
        ),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_a_safetensors_file_or_are_called_malformed(tmp_path, content):
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    try:
        sizes = tensor_bytes(file)
    except MalformedSafetensors as exc:
        assert str(exc)
        assert not exc.pickled or content.startswith((b"\x80", b"PK"))
    else:
        assert all(size > 0 for size in sizes.values())
