"""The model folder as a user sees it: what is listed, under which id, and what is said of what cannot be used."""

import json
import os
import shutil
from datetime import UTC, datetime
from struct import pack

import pytest

from pluggably.adapters.catalog.folder import SHIPPED, ModelFolder
from pluggably.adapters.runners.engines import ENGINES
from pluggably.domain.discovery import SourceNote
from pluggably.domain.model import EngineProfile, Modality, ModelStatus
from pluggably.entrypoints.http.model_objects import parameter_schema
from pluggably.testing.model_source import ModelSourceContract

from .gguf_file import TENSORS, a_gguf

LLAMA_CPP = EngineProfile(
    name="llama_cpp",
    modality=Modality.TEXT,
    parameters=frozenset({"seed", "max_tokens"}),
    capabilities=frozenset({"chat", "json"}),
)
TRANSFORMERS = EngineProfile(name="transformers_text", modality=Modality.TEXT, parameters=frozenset({"max_tokens"}))
DIFFUSERS = EngineProfile(
    name="diffusers_image",
    modality=Modality.IMAGE,
    parameters=frozenset({"steps", "strength", "negative_prompt"}),
    capabilities=frozenset({"text-to-image", "image-to-image", "inpainting"}),
)
SHAP_E = EngineProfile(
    name="shap_e",
    modality=Modality.MODEL_3D,
    parameters=frozenset({"steps", "target_faces"}),
    capabilities=frozenset({"text-to-3d", "image-to-3d"}),
)
BOTH = {engine.name: engine for engine in (LLAMA_CPP, TRANSFORMERS)}
ALL = BOTH | {engine.name: engine for engine in (DIFFUSERS, SHAP_E)}
TASKS = DIFFUSERS.capabilities | SHAP_E.capabilities


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "models"
    root.mkdir()
    return root


def put(root, name, content=None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(a_gguf() if content is None else content)
    return path


def a_safetensors_file(names=("model.embed",), dtype="BF16", size=64):
    entries = {name: {"dtype": dtype, "shape": [size // 2], "data_offsets": [0, size]} for name in names}
    header = json.dumps({"__metadata__": {"format": "pt"}} | entries).encode()
    return pack("<Q", len(header)) + header + bytes(size)


def put_safetensors(root, name="SmolLM2-135M", *, without=(), **files):
    config = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192, "torch_dtype": "float32"}
    ordinary = {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": a_safetensors_file(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": json.dumps({"chat_template": "{{ messages }}"}).encode(),
    }
    for file, content in (ordinary | files).items():
        if file not in without:
            put(root, f"{name}/{file}", content)
    return root / name


PIPELINE_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "feature_extractor": ["transformers", "CLIPImageProcessorPil"],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
PIPELINE_FILES = {
    "README.md": b"---\nlibrary_name: diffusers\nlicense: apache-2.0\n---\n\nlicense: none\n",
    "feature_extractor/preprocessor_config.json": b"{}",
    "scheduler/scheduler_config.json": b"{}",
    "text_encoder/config.json": b"{}",
    "text_encoder/model.safetensors": a_safetensors_file(dtype="F32"),
    "tokenizer/tokenizer.json": b"{}",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": a_safetensors_file(dtype="F16", size=128),
}


def put_pipeline(root, *, index=(), files=(), without=()):
    content = {"model_index.json": json.dumps(PIPELINE_INDEX | dict(index)).encode()}
    for file, written in (content | PIPELINE_FILES | dict(files)).items():
        if file not in without:
            put(root, f"Painter/{file}", written)
    return root / "Painter"


async def listed(root, engines=BOTH):
    return {model.id: model for model in await ModelFolder([root], engines).models()}


async def the_one(root, engines=BOTH):
    (model,) = (await listed(root, engines)).values()
    return model


class TestModelFolder(ModelSourceContract):
    @pytest.fixture
    def source(self, root):
        put(root, "One.Q4_1.gguf")
        put(root, "Two.Q4_1.gguf")
        put(root, "Broken.gguf", b"nothing like it")
        put(root, "Half.gguf", a_gguf()[:-5])
        put_safetensors(root)
        return ModelFolder([root], BOTH)


async def test_a_gguf_file_is_described_by_its_name_and_its_header(root):
    path = put(root, "SmolLM2-135M-Instruct.Q4_1.gguf")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    model = await the_one(root)
    assert (model.id, model.name) == ("smollm2-135m-instruct", "SmolLM2-135M-Instruct")
    assert (model.version, model.quantization, model.context_length) == ("Q4_1", "Q4_1", 2048)
    assert (model.license, model.size_bytes) == ("apache-2.0", path.stat().st_size)
    assert (model.engine, model.path, model.provider) == ("llama_cpp", str(path), "local")
    assert (model.status, model.reason) == (ModelStatus.AVAILABLE, None)
    assert model.parameters == LLAMA_CPP.parameters
    assert model.capabilities == {"chat", "json", "streaming"}
    assert model.created_at == datetime.fromtimestamp(1_700_000_000, UTC)


async def test_without_a_chat_template_a_model_does_not_chat(root):
    put(root, "base.gguf", a_gguf(without=["tokenizer.chat_template"]))
    assert "chat" not in (await the_one(root)).capabilities


async def test_a_safetensors_folder_is_described_by_its_files(root):
    folder = put_safetensors(root)
    model = await the_one(root)
    assert (model.id, model.name, model.path) == ("smollm2-135m", "SmolLM2-135M", str(folder))
    assert (model.engine, model.status) == ("transformers_text", ModelStatus.AVAILABLE)
    assert (model.quantization, model.context_length) == ("BF16", 8192)
    assert model.capabilities == {"chat", "streaming"}


async def test_a_model_without_its_engine_says_what_to_install(root):
    put_safetensors(root)
    model = await the_one(root, {"llama_cpp": LLAMA_CPP})
    assert model.status is ModelStatus.UNSUPPORTED
    assert "pip install 'pluggably[local]'" in model.reason


async def test_two_quantizations_of_a_name_are_told_apart_by_it(root):
    put(root, "Smol-Q4_K_M.gguf")
    put(root, "Smol-Q8_0.gguf")
    assert {it.id: it.aliases for it in (await listed(root)).values()} == {"smol": ("smol-q4_k_m",), "smol-q8_0": ()}


async def test_the_same_file_name_in_two_folders_is_another_model(root):
    put(root, "a/Smol-Q8_0.gguf")
    put(root, "b/Smol-Q8_0.gguf")
    models = await listed(root)
    assert [(it.id, it.path) for it in models.values()] == [
        ("smol", str(root / "a/Smol-Q8_0.gguf")),
        ("smol-q8_0", str(root / "b/Smol-Q8_0.gguf")),
    ]


async def test_a_truncated_file_is_listed_as_incomplete(root):
    put(root, "half.gguf", a_gguf()[:-100])
    model = await the_one(root)
    assert model.status is ModelStatus.INCOMPLETE
    assert "the last 100 of" in model.reason


@pytest.mark.parametrize("size", [0, 3, 30, 200])
async def test_a_file_cut_inside_its_header_is_incomplete(root, size):
    put(root, "start.gguf", a_gguf()[:size])
    assert (await the_one(root)).status is ModelStatus.INCOMPLETE


async def test_a_file_that_is_something_else_is_corrupt(root):
    put(root, "page.gguf", b"<!DOCTYPE html>" * 10)
    model = await the_one(root)
    assert model.status is ModelStatus.CORRUPT
    assert "not a GGUF file" in model.reason


async def test_a_vocabulary_without_weights_is_unsupported(root):
    put(root, "vocab.gguf", a_gguf(()))
    assert (await the_one(root)).status is ModelStatus.UNSUPPORTED


async def test_a_file_that_becomes_whole_becomes_available(root):
    path = put(root, "Smol.gguf", a_gguf()[:-100])
    source = ModelFolder([root], BOTH)
    assert (await source.models())[0].status is ModelStatus.INCOMPLETE
    with path.open("ab") as file:
        file.write(bytes(100))
    assert (await source.models())[0].status is ModelStatus.AVAILABLE


async def test_models_come_and_go_with_their_files(root):
    source = ModelFolder([root], BOTH)
    assert await source.models() == []
    path = put(root, "new/Smol.gguf")
    assert [model.id for model in await source.models()] == ["smol"]
    path.unlink()
    assert await source.models() == []


async def test_shards_are_one_model(root):
    for number in (1, 2, 3):
        split = {"split__no": ("u16", number - 1), "split__count": ("u16", 3)}
        put(root, f"Big-Q4_1-0000{number}-of-00003.gguf", a_gguf(TENSORS[:1] if number > 1 else (), **split))
    model = await the_one(root)
    assert (model.id, model.status) == ("big", ModelStatus.AVAILABLE)
    assert model.path.endswith("Big-Q4_1-00001-of-00003.gguf")
    assert model.size_bytes == sum(path.stat().st_size for path in root.iterdir())


async def test_missing_shards_make_it_incomplete(root):
    put(root, "Big-00001-of-00003.gguf", a_gguf(split__count=("u16", 3)))
    put(root, "Big-00003-of-00003.gguf", a_gguf(split__count=("u16", 3)))
    model = await the_one(root)
    assert model.status is ModelStatus.INCOMPLETE
    assert "1 of its 3 shards" in model.reason


async def test_a_shard_under_another_name_is_not_taken_for_a_model(root):
    put(root, "first.gguf", a_gguf(split__count=("u16", 3)))
    model = await the_one(root)
    assert model.status is ModelStatus.UNSUPPORTED
    assert "-00001-of-0000N" in model.reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mmproj-Smol-F16.gguf", a_gguf()),
        ("projector.gguf", a_gguf(general__architecture="clip")),
        ("lora.gguf", a_gguf(general__type="adapter")),
        ("imatrix.gguf", a_gguf(general__type="imatrix")),
    ],
)
async def test_what_is_loaded_beside_a_model_is_not_listed(root, name, content):
    put(root, name, content)
    assert await listed(root) == {}


@pytest.mark.parametrize(
    "name",
    [
        "Smol.gguf.part",
        "Smol.gguf.incomplete",
        "Smol.part.gguf",
        ".Smol.gguf",
        "tmp_Smol.gguf",
        "Smol.gguf.crdownload",
        ".work-1/Smol.gguf",
        "pytorch_model.bin",
        "model.ckpt",
    ],
)
async def test_partial_and_pickled_files_are_not_listed(root, name):
    put(root, name)
    assert await listed(root) == {}


async def test_a_link_out_of_the_folder_is_not_followed(root, tmp_path):
    outside = put(tmp_path, "elsewhere/Secret.gguf")
    (root / "Link.gguf").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "nowhere.gguf").symlink_to(tmp_path / "nothing")
    (root / "itself.gguf").symlink_to(root / "itself.gguf")
    assert await listed(root) == {}


async def test_a_link_inside_the_folder_is_a_model(root):
    (root / "Link.gguf").symlink_to(put(root, "blobs/abc"))
    assert list(await listed(root)) == ["link"]


async def test_the_root_itself_may_be_a_link(root, tmp_path):
    put(root, "Smol.gguf")
    (tmp_path / "linked").symlink_to(root)
    assert list(await listed(tmp_path / "linked")) == ["smol"]


async def test_a_pipe_named_like_a_model_does_not_stop_the_scan(root):
    os.mkfifo(root / "pipe.gguf")
    put(root, "Smol.gguf")
    assert list(await listed(root)) == ["smol"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_says_so(root):
    put(root, "Smol.gguf").chmod(0)
    assert "Permission denied" in (await the_one(root)).reason


async def test_a_root_that_is_not_there_has_no_models(tmp_path):
    assert await listed(tmp_path / "not-yet") == {}


async def test_overlapping_roots_list_a_model_once(root):
    put(root, "inner/Smol.gguf")
    models = await ModelFolder([root, root / "inner"], BOTH).models()
    assert [model.id for model in models] == ["smol"]


async def test_a_note_beside_a_file_tells_its_source_while_it_is_that_file(root):
    path = put(root, "Smol.gguf", a_gguf(without=["general.license"]))
    note = SourceNote(source="package:smol==1", sha256="0" * 64, size_bytes=path.stat().st_size, license="MIT")
    put(root, "Smol.gguf.source.json", note.to_json().encode())
    model = await the_one(root)
    assert (model.source, model.license) == ("package:smol==1", "MIT")
    put(root, "Smol.gguf", a_gguf() + b"another")
    assert (await the_one(root)).source is None


@pytest.mark.parametrize("note", [b"", b"[]", b'{"source": 1}', b"[" * 60_000, b'{"unknown": 1}'])
async def test_a_damaged_note_is_no_note(root, note):
    put(root, "Smol.gguf")
    put(root, "Smol.gguf.source.json", note)
    assert (await the_one(root)).source is None


async def test_shards_that_the_index_lists_must_be_there(root):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = {
        "model.safetensors.index.json": json.dumps(index).encode(),
        "model-00001-of-00002.safetensors": a_safetensors_file(),
    }
    put_safetensors(root, without=["model.safetensors"], **files)
    model = await the_one(root)
    assert model.status is ModelStatus.INCOMPLETE
    assert "model-00002-of-00002.safetensors is missing" in model.reason
    put(root, "SmolLM2-135M/model-00002-of-00002.safetensors", a_safetensors_file())
    assert (await the_one(root)).status is ModelStatus.AVAILABLE


async def test_shards_without_their_index_are_incomplete(root):
    files = {"model-00001-of-00002.safetensors": a_safetensors_file()}
    put_safetensors(root, without=["model.safetensors"], **files)
    assert "index.json is missing" in (await the_one(root)).reason


@pytest.mark.parametrize(
    ("files", "status", "reason"),
    [
        ({"model.safetensors": a_safetensors_file()[:-1]}, ModelStatus.INCOMPLETE, "lacks 1 bytes"),
        ({"model.safetensors": a_safetensors_file()[:20]}, ModelStatus.INCOMPLETE, "inside its header"),
        ({"model.safetensors": b""}, ModelStatus.INCOMPLETE, "inside its header"),
        ({"model.safetensors": a_safetensors_file() + b"x"}, ModelStatus.CORRUPT, "too many"),
        ({"model.safetensors": b"\xff" * 50}, ModelStatus.CORRUPT, "not a safetensors file"),
        ({"model.safetensors": b"\x80\x04" * 50}, ModelStatus.UNSUPPORTED, "is a pickle, whatever its name says"),
        ({"model.safetensors": b"PK\x03\x04" + bytes(60)}, ModelStatus.UNSUPPORTED, "is a pickle"),
        ({"model.safetensors": pack("<Q", 60_000) + b"[" * 60_000}, ModelStatus.CORRUPT, "damaged"),
        ({"model.safetensors": pack("<Q", 640) + b" " * 640}, ModelStatus.CORRUPT, "damaged"),
        ({"config.json": b"{"}, ModelStatus.CORRUPT, "config.json is damaged"),
        ({"config.json": b"{}"}, ModelStatus.UNSUPPORTED, "architecture is None"),
        ({"config.json": b'{"architectures":["BertModel"]}'}, ModelStatus.UNSUPPORTED, "BertModel"),
        ({"tokenizer_config.json": b'{"chat_template": 1}'}, ModelStatus.CORRUPT, "tokenizer_config.json"),
    ],
)
async def test_what_is_wrong_with_a_safetensors_folder_is_said(root, files, status, reason):
    put_safetensors(root, **files)
    model = await the_one(root)
    assert model.status is status
    assert reason in model.reason


async def test_a_folder_without_a_tokenizer_is_incomplete(root):
    put_safetensors(root, without=["tokenizer.json"])
    assert (await the_one(root)).status is ModelStatus.INCOMPLETE


async def test_a_pipeline_is_described_by_its_index_and_its_card(root):
    folder = put_pipeline(root)
    model = await the_one(root, ALL)
    assert (model.id, model.name, model.path) == ("painter", "Painter", str(folder))
    assert (model.engine, model.modality, model.status) == ("diffusers_image", Modality.IMAGE, ModelStatus.AVAILABLE)
    assert model.capabilities == {"text-to-image", "image-to-image", "inpainting"}
    assert model.parameters == {"steps", "strength", "negative_prompt"}
    assert (model.quantization, model.license) == ("F16", "apache-2.0")
    weights = [folder / "unet/diffusion_pytorch_model.safetensors", folder / "text_encoder/model.safetensors"]
    assert model.size_bytes == sum(path.stat().st_size for path in weights)


@pytest.mark.parametrize(
    ("pipeline", "engine", "capabilities", "parameters"),
    [
        ("FluxPipeline", DIFFUSERS, {"text-to-image", "image-to-image", "inpainting"}, {"strength"}),
        ("PixArtSigmaPipeline", DIFFUSERS, {"text-to-image"}, {"negative_prompt"}),
        ("StableDiffusionInpaintPipeline", DIFFUSERS, {"inpainting"}, {"negative_prompt", "strength"}),
        ("ShapEPipeline", SHAP_E, {"text-to-3d"}, {"target_faces"}),
        ("ShapEImg2ImgPipeline", SHAP_E, {"image-to-3d"}, {"target_faces"}),
    ],
)
async def test_the_class_of_a_pipeline_says_what_it_can_do(root, pipeline, engine, capabilities, parameters):
    put_pipeline(root, index={"_class_name": pipeline})
    model = await the_one(root, ALL)
    assert (model.engine, model.modality, model.status) == (engine.name, engine.modality, ModelStatus.AVAILABLE)
    assert model.capabilities == capabilities
    assert model.parameters == {"steps"} | parameters


@pytest.mark.parametrize("name", ["StableVideoDiffusionPipeline", None, ["own_code", "OwnPipeline"]])
async def test_a_pipeline_that_nothing_runs_is_unsupported_and_named(root, name):
    put_pipeline(root, index={"_class_name": name})
    model = await the_one(root, ALL)
    assert (model.status, model.engine, model.parameters) == (ModelStatus.UNSUPPORTED, None, frozenset())
    assert (name if isinstance(name, str) else "None") in model.reason


async def test_a_pipeline_without_its_engine_says_what_to_install(root):
    put_pipeline(root)
    model = await the_one(root)
    assert (model.status, model.modality) == (ModelStatus.UNSUPPORTED, Modality.IMAGE)
    assert "pip install 'pluggably[local]'" in model.reason


@pytest.mark.parametrize(
    "missing",
    [
        "unet/diffusion_pytorch_model.safetensors",
        "unet/config.json",
        "text_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
        "feature_extractor/preprocessor_config.json",
    ],
)
async def test_a_pipeline_that_lacks_a_file_is_incomplete_and_says_which(root, missing):
    folder = put_pipeline(root, without=[missing])
    model = await the_one(root, ALL)
    assert (model.status, model.reason) == (ModelStatus.INCOMPLETE, f"{missing} is missing")
    put(folder, missing, PIPELINE_FILES[missing])
    assert (await the_one(root, ALL)).status is ModelStatus.AVAILABLE


async def test_a_pipeline_that_lacks_a_whole_component_is_incomplete(root):
    shutil.rmtree(put_pipeline(root) / "unet")
    assert (await the_one(root, ALL)).reason == "unet/config.json is missing, and 1 more files"


async def test_a_pipeline_with_a_cut_file_is_incomplete(root):
    put_pipeline(root, files={"unet/diffusion_pytorch_model.safetensors": a_safetensors_file()[:-3]})
    model = await the_one(root, ALL)
    assert (model.status, "lacks 3 bytes" in model.reason) == (ModelStatus.INCOMPLETE, True)


async def test_pickled_weights_of_a_component_are_refused_with_the_reason(root):
    pickled = {"unet/diffusion_pytorch_model.bin": b"\x80\x04"}
    put_pipeline(root, without=["unet/diffusion_pytorch_model.safetensors"], files=pickled)
    model = await the_one(root, ALL)
    assert model.status is ModelStatus.UNSUPPORTED
    assert "weights of unet are pickles, which can run code" in model.reason


async def test_shards_and_variants_of_a_component_are_known(root):
    first, second = (f"diffusion_pytorch_model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2))
    index = json.dumps({"weight_map": {"a": first, "b": second}}).encode()
    shards = {
        f"unet/{first}": a_safetensors_file(),
        f"unet/{second}": a_safetensors_file(),
        "unet/diffusion_pytorch_model.safetensors.index.fp16.json": index,
    }
    folder = put_pipeline(root, without=["unet/diffusion_pytorch_model.safetensors"], files=shards)
    assert (await the_one(root, ALL)).status is ModelStatus.AVAILABLE
    (folder / "unet" / second).unlink()
    assert (await the_one(root, ALL)).reason == f"unet/{second} is missing"
    (folder / "unet/diffusion_pytorch_model.safetensors.index.fp16.json").unlink()
    assert "safetensors.index.fp16.json is missing" in (await the_one(root, ALL)).reason


async def test_of_plain_weights_and_a_variant_only_the_plain_ones_count(root):
    folder = put_pipeline(root)
    size = (await the_one(root, ALL)).size_bytes
    put(folder, "unet/diffusion_pytorch_model.fp16.safetensors", b"half of it")
    put(folder, "unet/notes.safetensors", b"nobody's")
    model = await the_one(root, ALL)
    assert (model.status, model.size_bytes) == (ModelStatus.AVAILABLE, size)


async def test_a_component_outside_of_the_folder_is_not_there(root, tmp_path):
    folder = put_pipeline(root, without=["unet/diffusion_pytorch_model.safetensors"])
    outside = put(tmp_path, "outside.safetensors", a_safetensors_file())
    (folder / "unet/diffusion_pytorch_model.safetensors").symlink_to(outside)
    assert (await the_one(root, ALL)).status is ModelStatus.INCOMPLETE


@pytest.mark.parametrize("index", [b"", b"[]", b'{"unet": ', b"[" * 60_000])
async def test_a_damaged_index_is_corrupt(root, index):
    put_pipeline(root, files={"model_index.json": index})
    model = await the_one(root, ALL)
    assert model.status is ModelStatus.CORRUPT
    assert "model_index.json is damaged" in model.reason


async def test_the_parts_of_a_pipeline_are_no_models_and_those_beside_it_are(root):
    put_pipeline(root)
    put_safetensors(root / "Painter", "text_encoder_2")
    put(root, "Painter-2/Smol.Q4_1.gguf")
    put(root, "Painter/refiner/model_index.json", b"{}")
    assert set(await listed(root, ALL)) == {"painter", "smol"}


async def test_the_models_that_come_with_the_package_are_available():
    engines = {name: spec.profile for name, spec in ENGINES.items()}
    models = {model.id: model for model in await ModelFolder([SHIPPED], engines).models()}
    assert {it: (model.status, model.capabilities & TASKS) for it, model in models.items()} == {
        "tiny-shapes": (ModelStatus.AVAILABLE, {"text-to-image", "image-to-image", "inpainting"}),
        "tiny-solids": (ModelStatus.AVAILABLE, {"text-to-3d"}),
        "tiny-solids-from-image": (ModelStatus.AVAILABLE, {"image-to-3d"}),
    }
    assert {model.license for model in models.values()} == {"apache-2.0"}


async def test_a_pipeline_tells_what_its_card_recommends_and_which_sizes_it_makes():
    engines = {name: spec.profile for name, spec in ENGINES.items()}
    shapes = {model.id: model for model in await ModelFolder([SHIPPED], engines).models()}["tiny-shapes"]
    assert shapes.defaults == {"width": 32, "height": 32, "steps": 20, "guidance_scale": 3.0}
    width = parameter_schema(Modality.IMAGE, shapes)["properties"]["width"]
    assert (width["minimum"], width["maximum"], width["multipleOf"], width["default"]) == (8, 128, 8, 32)


@pytest.mark.parametrize("content", [b"\x80\x04rest", b"PK\x03\x04archive/data.pkl"], ids=["pickle", "torch archive"])
async def test_a_folder_with_pickled_weights_is_refused_with_the_reason(root, content):
    put_safetensors(root, without=["model.safetensors"], **{"pytorch_model.bin": content})
    model = await the_one(root)
    assert (model.status, model.pickled, model.engine) == (ModelStatus.UNSUPPORTED, True, None)
    assert "(pytorch_model.bin) are pickles, which can run code" in model.reason


async def test_what_is_only_called_like_a_pickle_is_none(root):
    put_safetensors(root, without=["model.safetensors"], **{"training.bin": b"numbers"})
    assert await listed(root) == {}


async def test_pickles_are_for_an_engine_that_says_that_it_opens_them(root):
    put_safetensors(root, without=["model.safetensors"], **{"pytorch_model.bin": b"\x80\x04"})
    opener = EngineProfile(name="own", modality=Modality.TEXT, parameters=frozenset({"seed"}), opens_pickles=True)
    model = await the_one(root, BOTH | {"own": opener})
    assert (model.engine, model.status, model.parameters) == ("own", ModelStatus.UNSUPPORTED, {"seed"})


async def test_the_demo_model_is_listed(root, demo_gguf):
    shutil.copy(demo_gguf, root)
    model = await the_one(root)
    assert (model.id, model.quantization, model.context_length) == ("smollm2-135m-instruct", "Q4_1", 8192)
    assert (model.status, "chat" in model.capabilities) == (ModelStatus.AVAILABLE, True)
