"""What the diffusers engine makes of prompts, pictures and every parameter, and of being cancelled.

The engine runs in this process, as its child process would run it. Its model is the one that comes with the package;
what is in its pictures is told by counting pixels.
"""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pluggably.adapters.catalog.folder import SHIPPED, ModelFolder
from pluggably.adapters.runners.diffusers_image import DiffusersImageEngine
from pluggably.adapters.runners.engine import EngineOptions
from pluggably.adapters.runners.image_files import open_pictures
from pluggably.domain.errors import ContextLengthExceeded, InvalidRequest
from pluggably.domain.generation import Completed, GenerationEvent, InputFile, Progress, Role, text_message
from tests.builders import a_picture_request
from tools.demo_models.recognise_shape import recognise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers' schedulers, of numpy 2

FOLDER = SHIPPED / "tiny-shapes"
RED_CIRCLE = "a red circle"


@pytest.fixture(scope="module")
def engine() -> Iterator[DiffusersImageEngine]:
    engine = DiffusersImageEngine(EngineOptions(path=str(FOLDER), threads=1))
    yield engine
    engine.close()


@frozen
class Drawn:
    """What a request brought."""

    events: list[GenerationEvent]

    @property
    def completed(self) -> Completed:
        assert isinstance(self.events[-1], Completed)
        return self.events[-1]

    @property
    def progress(self) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress)]

    @property
    def files(self) -> list[bytes]:
        return [Path(file.path).read_bytes() for file in self.completed.files]

    @property
    def pictures(self) -> list[Image.Image]:
        return [Image.open(BytesIO(content)) for content in self.files]

    @property
    def shows(self) -> list[str]:
        return [str(recognise(picture)) for picture in self.pictures]


@pytest.fixture
def ask(engine, tmp_path) -> Callable[..., Drawn]:
    numbers = count()

    def ask(prompt: str = RED_CIRCLE, *files: InputFile, stopped=lambda events: False, **parameters: Any) -> Drawn:
        workspace = tmp_path / str(next(numbers))
        workspace.mkdir()
        events: list[GenerationEvent] = []
        request = a_picture_request(prompt, workspace, *files, **({"seed": 1, "steps": 10} | parameters))
        engine.generate(request, events.append, lambda: stopped(events))
        return Drawn(events)

    return ask


@pytest.fixture
def put(tmp_path) -> Callable[..., InputFile]:
    numbers = count()

    def put(picture: Image.Image | bytes, use="image", kind="PNG") -> InputFile:
        path = tmp_path / f"input-{next(numbers)}"
        path.write_bytes(picture) if isinstance(picture, bytes) else picture.save(path, kind)
        return InputFile(path=str(path), media_type="image/png", use=use)

    return put


def test_it_draws_what_it_is_told_with_what_the_card_says_suits_it(ask):
    wanted = ["red circle", "green square", "blue triangle", "yellow circle"]
    drawn = [ask(f"a {it}", steps=None) for it in wanted]
    assert [it.shows for it in drawn] == [[it] for it in wanted]
    assert [len(it.progress) for it in drawn] == [20] * 4
    assert drawn[0].files == ask(f"a {wanted[0]}", steps=20, guidance_scale=3.0, width=32, height=32).files
    (file,) = drawn[0].completed.files
    assert (file.media_type, file.facts) == ("image/png", {"width": 32, "height": 32})


def test_the_last_message_of_the_user_is_the_prompt(engine, tmp_path):
    said = [
        (Role.SYSTEM, "only squares"),
        (Role.USER, "a blue square"),
        (Role.ASSISTANT, "Here."),
        (Role.USER, RED_CIRCLE),
    ]
    request = evolve(a_picture_request("", tmp_path, seed=1), messages=tuple(text_message(*it) for it in said))
    events: list[GenerationEvent] = []
    engine.generate(request, events.append, lambda: False)
    assert Drawn(events).shows == ["red circle"]
    assert 3 <= events[-1].usage.input_tokens <= 8


def test_the_same_seed_gives_the_same_bytes_whatever_else_runs(ask):
    alone = ask().files
    with ThreadPoolExecutor(3) as threads:
        among_others = list(threads.map(lambda it: ask(it[0], seed=it[1]), [("a blue square", 5), (RED_CIRCLE, 1)] * 2))
    assert among_others[1].files == among_others[3].files == alone
    assert ask(seed=2).files != alone


def test_requests_are_worked_on_one_at_a_time(engine, tmp_path):
    """What is begun amid a picture comes after it: a pipeline's tokenizers are not safe in two threads."""
    order: list[str] = []
    with ThreadPoolExecutor(1) as other:

        def emit(event: GenerationEvent) -> None:
            order.append("first")
            if len(order) == 1:
                second = a_picture_request(RED_CIRCLE, tmp_path, steps=2)
                other.submit(engine.generate, second, lambda _: order.append("second"), lambda: False)

        engine.generate(a_picture_request(RED_CIRCLE, tmp_path, steps=20), emit, lambda: False)
    assert order == ["first"] * 21 + ["second"] * 3


def test_several_pictures_have_seeds_in_a_row(ask):
    several = ask(n=3)
    assert several.completed.seed == 1
    assert several.files == [ask(seed=seed).files[0] for seed in (1, 2, 3)]
    assert len({file.path for file in several.completed.files}) == 3
    assert [it.step for it in several.progress] == list(range(1, 31))
    assert {it.steps for it in several.progress} == {30}


def test_the_largest_seed_is_followed_by_the_smallest(ask):
    assert ask(n=2, seed=2**32 - 2, steps=2).files[1] == ask(seed=0, steps=2).files[0]


def test_a_seed_that_nobody_chose_is_told_and_gives_the_same_bytes(ask):
    drawn = ask(seed=None, steps=3)
    assert ask(seed=drawn.completed.seed, steps=3).files == drawn.files
    assert ask(seed=None, steps=3).completed.seed != drawn.completed.seed


@pytest.mark.parametrize("name", ["ddim", "ddpm", "dpm++", "euler", "euler_ancestral", "heun", "lms", "pndm", "unipc"])
def test_every_scheduler_draws_it_and_again_the_same(ask, name):
    if name == "lms" and not find_spec("scipy"):
        pytest.skip("lms needs scipy")
    drawn = ask(scheduler=name)
    assert drawn.shows == ["red circle"]
    assert [it.step for it in drawn.progress] == list(range(1, 11))
    assert (drawn.files == ask().files) == (name == "ddim"), "the model's own is ddim"
    assert ask(scheduler=name).files == drawn.files


def test_no_scheduler_asks_the_model_more_often_than_its_order_says(engine, ask):
    times: list[object] = []
    hook = engine._pipelines["text-to-image"].unet.register_forward_pre_hook(lambda *_: times.append(1))
    for name, order in (("ddim", 1), ("heun", 2), ("pndm", 1)):
        times.clear()
        ask(scheduler=name)
        assert len(times) <= order * 10 + 1
    hook.remove()


def test_guidance_and_a_negative_prompt_change_the_picture(ask):
    ordinary, drawn = ask().files, {}
    drawn["less"] = ask(guidance_scale=1.0).files
    drawn["negative"] = ask(negative_prompt="a blue square").files
    assert ordinary not in drawn.values()
    assert drawn["less"] != drawn["negative"]


def test_a_size_is_what_was_asked_for(ask):
    drawn = ask(width=64, height=40, steps=2)
    assert drawn.pictures[0].size == (64, 40)
    assert drawn.completed.files[0].facts == {"width": 64, "height": 40}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"width": 33}, r"/parameters/width: must be a multiple of 8"),
        ({"height": 136}, r"/parameters/height: must be at most 128"),
        ({"strength": 0.5}, r"/parameters/strength: .* none is given"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(ask, asked, said):
    with pytest.raises(InvalidRequest, match=said):
        ask(**asked)


@pytest.mark.parametrize("name", ["width", "height"])
async def test_the_documented_bounds_of_a_size_are_those_that_are_checked(ask, name):
    (model,) = [it for it in await ModelFolder([SHIPPED], {}).models() if it.name == "tiny-shapes"]
    bounds = model.bounds[name]
    other = "height" if name == "width" else "width"
    for size in (bounds.multiple_of, bounds.maximum):
        assert ask(RED_CIRCLE, **{name: size, other: 8, "steps": 1}).completed.files[0].facts[name] == size
    for size in (bounds.multiple_of + 1, bounds.maximum + bounds.multiple_of):
        with pytest.raises(InvalidRequest, match=f"/parameters/{name}"):
            ask(RED_CIRCLE, **{name: size})


def test_sizes_that_are_near_are_offered(ask):
    with pytest.raises(InvalidRequest) as refused:
        ask(width=45)
    assert refused.value.violations[0].allowed == ("40", "48")


@pytest.mark.parametrize(("kind", "opened"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_every_format_shows_the_same_and_has_the_same_bytes_again(ask, kind, opened):
    drawn = ask(format=kind)
    assert (drawn.pictures[0].format, drawn.completed.files[0].media_type) == (opened, f"image/{kind}")
    assert drawn.shows == ["red circle"]
    assert ask(format=kind).files == drawn.files


def test_a_prompt_that_the_model_would_cut_off_is_refused_with_both_numbers(ask, engine):
    with pytest.raises(ContextLengthExceeded, match=rf"has \d+ tokens; this model reads {engine.context_length}"):
        ask("a red circle " * 10)
    with pytest.raises(ContextLengthExceeded):
        ask(negative_prompt="a red circle " * 10)
    with pytest.raises(InvalidRequest, match="does not say what to show"):
        ask(" ")


def test_previews_come_when_they_are_asked_for_and_change_nothing(ask):
    drawn = ask(preview_every=5)
    assert drawn.files == ask().files
    assert [it.step for it in drawn.progress if it.preview] == [5, 10]
    previews = [Image.open(BytesIO(it.preview)) for it in drawn.progress if it.preview]
    assert {it.format for it in previews} == {"PNG"}
    assert max(side for it in previews for side in it.size) <= 128
    assert str(recognise(previews[-1])) == "red circle"
    drawn = ask(preview_every=1, scheduler="euler_ancestral")
    assert drawn.files == ask(scheduler="euler_ancestral").files, "which draws at random in each step"


def test_time_left_is_told_and_nothing_is_left_at_the_end(ask):
    left = [it.eta_s for it in ask().progress]
    assert all(it > 0 for it in left[:-1])
    assert left[-1] == 0


@pytest.mark.parametrize("number", [0, 1, 7])
def test_it_stops_within_one_step_of_being_cancelled(ask, number):
    drawn = ask(n=3, preview_every=1, stopped=lambda events: len(events) >= number)
    assert len(drawn.events) == number
    assert not any(isinstance(event, Completed) for event in drawn.events)
    assert ask().shows == ["red circle"]


def test_a_picture_becomes_what_it_is_told_the_more_the_stronger(ask, put):
    before = ask("a green square").pictures[0]
    little, much = (ask(RED_CIRCLE, put(before), strength=it, guidance_scale=1.0, steps=20) for it in (0.1, 1.0))
    assert (little.shows, much.shows) == (["green square"], ["red circle"])
    assert [(it.step, it.steps) for it in little.progress] == [(1, 2), (2, 2)]
    assert ask(RED_CIRCLE, put(before), strength=0.1, guidance_scale=1.0, steps=20).files == little.files


def test_a_picture_of_any_size_and_kind_is_brought_to_the_models_own(ask, put):
    for kind, mode in (("PNG", "RGBA"), ("JPEG", "CMYK"), ("WEBP", "RGB"), ("PNG", "L"), ("PNG", "1"), ("PNG", "P")):
        drawn = ask(RED_CIRCLE, put(Image.new(mode, (300, 150)), kind=kind), steps=2, strength=1.0)
        assert drawn.pictures[0].size == (32, 16), mode
    assert ask(RED_CIRCLE, put(Image.new("RGB", (300, 150))), steps=2, width=64).pictures[0].size == (64, 32)
    assert ask(RED_CIRCLE, put(Image.new("RGB", (1, 999))), steps=2, width=64, height=8).pictures[0].size == (64, 8)


def test_what_lies_under_transparency_is_not_seen(put):
    hidden = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert open_pictures([put(hidden)]).image.getpixel((4, 4)) == (255, 255, 255)


def test_a_picture_on_its_side_is_set_upright(put):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to the right
    buffer = BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, "JPEG", exif=exif)
    assert open_pictures([put(buffer.getvalue())]).image.size == (20, 40)


def test_only_what_the_mask_shows_white_is_painted(ask, put):
    before = ask("a green square").pictures[0]
    mask = Image.new("L", (32, 32))
    mask.paste(255, (16, 0, 32, 32))
    after = ask("a red circle", put(before), put(mask, "mask")).pictures[0]
    left, right = (0, 0, 16, 32), (16, 0, 32, 32)
    assert after.crop(left).tobytes() == before.crop(left).tobytes()
    assert after.crop(right).tobytes() != before.crop(right).tobytes()


def test_a_white_mask_paints_everything(ask, put):
    before = ask("a green square").pictures[0]
    assert ask("a red circle", put(before), put(Image.new("L", (32, 32), 255), "mask")).shows == ["red circle"]


def test_pictures_that_cannot_be_used_are_refused(ask, put):
    small, large = Image.new("RGB", (8, 8)), Image.new("RGB", (16, 16))
    for files, said in (
        ([put(small), put(small)], "one picture"),
        ([put(small, "mask")], "one picture"),
        ([put(small), put(large, "mask")], "8×8 and 16×16"),
        ([put(small, kind="GIF")], "cannot be read"),
        ([evolve(put(small), path="/no/such/file")], "cannot be read"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            ask(RED_CIRCLE, *files)
    with pytest.raises(InvalidRequest, match="/parameters/strength: of 4 steps it leaves none"):
        ask(RED_CIRCLE, put(small), steps=4, strength=0.2)


def test_a_picture_larger_than_any_camera_makes_is_not_decoded(put):
    with pytest.raises(InvalidRequest, match="at most 67108864 pixels"):
        open_pictures([put(Image.new("1", (9000, 9000)))])


@pytest.mark.parametrize("exif", [b"junk", b"Exif\0\0MM\0*", b"MM\0*\0\0\0\x08\0"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_with_damaged_metadata_is_refused_or_read(put, kind, exif):
    buffer = BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind, exif=exif)
    with suppress(InvalidRequest):
        assert open_pictures([put(buffer.getvalue())]).image.size == (8, 8)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_a_damaged_picture_is_read_or_refused_and_nothing_else(put, data, kind):
    buffer = BytesIO()
    Image.linear_gradient("L").resize((24, 24)).convert("RGB").save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidRequest):
        open_pictures([put(bytes(content[: data.draw(st.integers(0, len(content)))]))])


@pytest.fixture
def copied(tmp_path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "copied"))


def changed_index(folder: Path, **changes: Any) -> None:
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | changes))


def test_a_large_picture_has_a_small_preview_made_of_fewer_latents(copied, tmp_path):
    card = copied / "README.md"
    card.write_text(card.read_text().replace("width: 32", "width: 64").replace("height: 32", "height: 64"))
    engine = DiffusersImageEngine(EngineOptions(path=str(copied), threads=1))
    decoded: list[tuple[int, ...]] = []
    vae = engine._pipelines["text-to-image"].vae
    vae.decoder.register_forward_pre_hook(lambda _, inputs: decoded.append(tuple(inputs[0].shape[-2:])))
    events: list[GenerationEvent] = []
    request = a_picture_request(RED_CIRCLE, tmp_path, width=256, height=128, steps=1, preview_every=1)
    engine.generate(request, events.append, lambda: False)
    assert Image.open(BytesIO(Drawn(events).progress[0].preview)).size == (128, 64)
    assert Drawn(events).pictures[0].size == (256, 128)
    assert decoded == [(16, 32), (32, 64)]


@pytest.mark.parametrize(
    ("pipeline", "task"),
    [("StableDiffusionImg2ImgPipeline", "image-to-image"), ("StableDiffusionInpaintPipeline", "inpainting")],
)
def test_a_folder_for_one_task_only_does_only_that(copied, tmp_path, put, pipeline, task):
    changed_index(copied, _class_name=pipeline)
    engine = DiffusersImageEngine(EngineOptions(path=str(copied), threads=1))
    picture, mask = put(Image.new("RGB", (32, 32), "white")), put(Image.new("L", (32, 32), 255), "mask")
    right, wrong = ([picture, mask], [picture]) if task == "inpainting" else ([picture], [])
    with pytest.raises(InvalidRequest, match="this model does no") as refused:
        engine.generate(a_picture_request(RED_CIRCLE, tmp_path, *wrong), print, lambda: False)
    assert refused.value.violations[0].allowed == (task,)
    events: list[GenerationEvent] = []
    engine.generate(a_picture_request(RED_CIRCLE, tmp_path, *right, seed=1, strength=1.0), events.append, lambda: False)
    assert Drawn(events).shows == ["red circle"]


def test_weights_that_could_run_code_are_never_opened(copied, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (copied / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (copied / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(OSError, match="safetensors"):
        DiffusersImageEngine(EngineOptions(path=str(copied)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "changes",
    [{"_class_name": ["own", "Own"]}, {"unet": ["own", "Own"]}, {"unet": ["os", "system"]}],
    ids=["pipeline", "component", "library"],
)
def test_code_that_comes_with_a_model_is_never_run(copied, tmp_path, changes):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    for folder in (copied, copied / "unet"):
        (folder / "own.py").write_text(code)
    changed_index(copied, **changes)
    with pytest.raises((OSError, ValueError)):
        DiffusersImageEngine(EngineOptions(path=str(copied)))
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_has_only_a_variant_of_its_weights_is_loaded(copied, tmp_path):
    for path in copied.glob("*/*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    engine = DiffusersImageEngine(EngineOptions(path=str(copied), threads=1))
    events: list[GenerationEvent] = []
    engine.generate(a_picture_request(RED_CIRCLE, tmp_path, seed=1), events.append, lambda: False)
    assert Drawn(events).shows == ["red circle"]
