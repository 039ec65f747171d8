"""What the Shap-E engine makes of prompts, pictures and every parameter, and of being cancelled.

The engine runs in this process, as its child process would run it. Its models are those that come with the package;
its GLB files are read here by the specification, not by the library that wrote them.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from attrs import frozen
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from pluggably.adapters.catalog.folder import SHIPPED
from pluggably.adapters.runners.engine import EngineOptions
from pluggably.adapters.runners.mesh_files import Surface, to_srgb
from pluggably.adapters.runners.shap_e import ShapEEngine
from pluggably.domain.errors import ContextLengthExceeded, InvalidRequest, RunnerBadOutput
from pluggably.domain.generation import Completed, GenerationEvent, InputFile, OutputFile, Progress
from tests.builders import a_solid_request

from .glb import Glb, read_glb

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers' schedulers, of numpy 2

RED_CONE = "a red cone"
RENDERER = "shap_e_renderer/diffusion_pytorch_model.safetensors"
COLOURS = {"red": (0.86, 0.16, 0.16), "green": (0.16, 0.70, 0.24), "blue": (0.20, 0.31, 0.86)}  # sRGB


def load(folder: Path) -> ShapEEngine:
    return ShapEEngine(EngineOptions(path=str(folder), threads=1))


@pytest.fixture(scope="module")
def engine() -> Iterator[ShapEEngine]:
    engine = load(SHIPPED / "tiny-solids")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def seeing_engine() -> Iterator[ShapEEngine]:
    engine = load(SHIPPED / "tiny-solids-from-image")
    yield engine
    engine.close()


@frozen
class Made:
    """What a request brought."""

    events: list[GenerationEvent]

    @property
    def completed(self) -> Completed:
        assert isinstance(self.events[-1], Completed)
        return self.events[-1]

    @property
    def file(self) -> OutputFile:
        (file,) = self.completed.files
        return file

    @property
    def content(self) -> bytes:
        return Path(self.file.path).read_bytes()

    @property
    def glb(self) -> Glb:
        return read_glb(self.content)

    @property
    def steps(self) -> list[tuple[int, int]]:
        return [(event.step, event.steps) for event in self.events if isinstance(event, Progress)]


@pytest.fixture
def ask_of(tmp_path) -> Callable[..., Made]:
    numbers = count()

    def ask(
        engine: ShapEEngine, prompt: str, *files: InputFile, stopped=lambda events: False, **parameters: Any
    ) -> Made:
        workspace = tmp_path / str(next(numbers))
        workspace.mkdir()
        events: list[GenerationEvent] = []
        request = a_solid_request(prompt, workspace, *files, **({"seed": 1} | parameters))
        engine.generate(request, events.append, lambda: stopped(events))
        return Made(events)

    return ask


@pytest.fixture
def ask(ask_of, engine) -> Callable[..., Made]:
    return lambda prompt=RED_CONE, *files, **asked: ask_of(engine, prompt, *files, **asked)


@pytest.fixture(scope="module")
def cone(engine, tmp_path_factory) -> Made:
    """A red cone, whole, as GLB."""
    events: list[GenerationEvent] = []
    engine.generate(a_solid_request(RED_CONE, tmp_path_factory.mktemp("cone"), seed=1), events.append, lambda: False)
    return Made(events)


@pytest.fixture
def picture_of(tmp_path) -> Callable[..., InputFile]:
    def picture_of(shape: str, colour: str, use="image") -> InputFile:
        picture = Image.new("RGB", (64, 64), (240, 240, 240))
        fill = tuple(round(channel * 255) for channel in COLOURS[colour])
        pen = ImageDraw.Draw(picture)
        pen.ellipse((14, 14, 50, 50), fill) if shape == "circle" else pen.rectangle((14, 14, 50, 50), fill)
        path = tmp_path / f"{colour}-{shape}.png"
        picture.save(path)
        return InputFile(path=str(path), media_type="image/png", use=use)

    return picture_of


def is_closed(mesh: Glb) -> bool:
    """Whether every edge is met once in each direction."""
    edges = np.concatenate([mesh.faces[:, [first, (first + 1) % 3]] for first in range(3)])
    there, back = ({tuple(it) for it in them.tolist()} for them in (edges, edges[:, ::-1]))
    return there == back and len(there) == len(edges)


def volume(mesh: Glb) -> float:
    """Positive where the triangles are seen counterclockwise from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(float) for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def colour_of(srgb: np.ndarray) -> str:
    middle = np.median(srgb, axis=0)
    return min(COLOURS, key=lambda name: float(((middle - COLOURS[name]) ** 2).sum()))


def roundness(mesh: Glb) -> float:
    """How much of the smallest ball around it the solid fills, 1 for a ball; a cube fills 0.37."""
    radii = np.linalg.norm(mesh.vertices - mesh.vertices.mean(axis=0), axis=1)
    return volume(mesh) / (4 / 3 * np.pi * np.percentile(radii, 99) ** 3)


def test_it_makes_the_solids_that_it_is_told(ask):
    ball, cube = ask("a blue sphere").glb, ask("a green cube").glb
    assert all(is_closed(it) and volume(it) > 0 for it in (ball, cube))
    assert (colour_of(to_srgb(ball.colours)), colour_of(to_srgb(cube.colours))) == ("blue", "green")
    assert roundness(ball) > 0.8
    assert roundness(cube) < 0.6


def test_the_tip_of_a_cone_points_up_along_y(cone):
    x, y, z = cone.glb.vertices.T
    width = np.hypot(x, z)
    middle = (y.max() + y.min()) / 2
    assert width[y > middle].max() < width[y < middle].max() * 0.7


def test_the_facts_of_a_mesh_are_those_of_its_file(cone):
    mesh, facts = cone.glb, cone.file.facts
    assert cone.file.media_type == "model/gltf-binary"
    assert (facts["vertices"], facts["faces"]) == (len(mesh.vertices), len(mesh.faces))
    assert facts["bounds"] == [mesh.vertices.min(axis=0).tolist(), mesh.vertices.max(axis=0).tolist()]
    assert -1 < np.min(facts["bounds"]) < -0.3 < 0.3 < np.max(facts["bounds"]) < 1
    assert 3 <= cone.completed.usage.input_tokens <= 8


def test_a_glb_is_lit_as_a_matte_thing_with_normals_that_point_out(ask):
    mesh = ask("a blue sphere").glb
    assert mesh.material["pbrMetallicRoughness"]["metallicFactor"] == 0
    outwards = mesh.vertices - mesh.vertices.mean(axis=0)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert (outwards * mesh.normals).sum(axis=1).min() > 0.8


def test_colours_are_linear_in_glb_and_srgb_elsewhere(ask, cone):
    linear = cone.glb.colours
    ply = trimesh.load_mesh(ask(format="ply").file.path).visual.vertex_colors[:, :3] / 255
    obj = np.array([[float(it) for it in line.split()[4:7]] for line in lines(ask(format="obj")) if line[:2] == "v "])
    assert colour_of(ply) == colour_of(obj) == "red"
    assert colour_of(to_srgb(linear)) == "red"
    for shown in (ply, obj):
        assert np.abs(to_srgb(linear) - shown).max() < 0.03  # eight bits of linear light are coarse where it is dark
    assert np.abs(linear - ply).max() > 0.2


def lines(made: Made) -> list[str]:
    return made.content.decode().splitlines()


@pytest.mark.parametrize(("kind", "media_type"), [("obj", "model/obj"), ("ply", "model/ply")])
def test_other_formats_hold_the_same_mesh(ask, cone, kind, media_type):
    made = ask(format=kind)
    again = trimesh.load_mesh(made.file.path, process=False)
    assert made.file.media_type == media_type
    assert (len(again.vertices), len(again.faces)) == (made.file.facts["vertices"], made.file.facts["faces"])
    assert np.allclose(again.vertices, cone.glb.vertices, atol=1e-6)


def test_without_texture_there_are_no_colours(ask):
    assert ask(texture=True).glb.colours is not None
    assert ask(texture=False).glb.colours is None
    assert {len(line.split()) for line in lines(ask(texture=False, format="obj")) if line[:2] == "v "} == {4}
    assert b"red" not in ask(texture=False, format="ply").content


@pytest.mark.parametrize("faces", [2000, 200])
def test_a_mesh_is_simplified_to_about_as_many_faces_and_keeps_shape_and_colours(ask, cone, faces):
    whole, made = cone.glb, ask(target_faces=faces)
    mesh = made.glb
    assert faces * 0.9 <= len(mesh.faces) <= faces
    assert made.file.facts["faces"] == len(mesh.faces)
    assert is_closed(mesh)
    assert volume(mesh) == pytest.approx(volume(whole), rel=0.05)
    assert (
        np.abs(np.array(made.file.facts["bounds"]) - [whole.vertices.min(axis=0), whole.vertices.max(axis=0)]).max()
        < 0.05
    )
    assert colour_of(to_srgb(mesh.colours)) == "red"


def test_a_mesh_that_has_no_more_faces_is_left_as_it_is(ask, cone):
    assert ask(target_faces=1_000_000).content == cone.content


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_the_same_seed_gives_the_same_bytes(ask, kind):
    first, again, other = (ask(seed=seed, format=kind, target_faces=1000).content for seed in (1, 1, 2))
    assert first == again != other


def test_the_same_seed_gives_the_same_bytes_whatever_else_runs(ask, cone):
    wishes = [("a blue cube", 3), (RED_CONE, 1), ("a green torus", 1)]
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda it: ask(it[0], seed=it[1]), wishes))
    assert made[1].content == cone.content


def test_requests_are_worked_on_one_at_a_time(engine, tmp_path):
    """What is begun amid a mesh comes after it: neither renderer nor tokenizer is safe in two threads."""
    order: list[str] = []
    with ThreadPoolExecutor(1) as other:

        def emit(event: GenerationEvent) -> None:
            order.append("first")
            if len(order) == 1:
                second = a_solid_request(RED_CONE, tmp_path, steps=2)
                other.submit(engine.generate, second, lambda _: order.append("second"), lambda: False)

        engine.generate(a_solid_request(RED_CONE, tmp_path, steps=16), emit, lambda: False)
    assert order == ["first"] * 17 + ["second"] * 3


def test_a_seed_that_nobody_chose_is_told_and_gives_the_same_bytes(ask):
    made = ask(seed=None)
    assert ask(seed=made.completed.seed).content == made.content


def test_steps_and_guidance_are_honoured(ask, cone):
    assert cone.steps == [(step, 16) for step in range(1, 17)]
    assert ask(steps=3).steps == [(1, 3), (2, 3), (3, 3)]
    assert ask(guidance_scale=1.0).content == cone.content, "the card says so"
    assert ask(guidance_scale=4.0).content != cone.content


@pytest.mark.parametrize("number", [0, 1, 5])
def test_it_stops_within_one_step_of_being_cancelled(ask, number):
    made = ask(stopped=lambda events: len(events) >= number)
    assert len(made.events) == number
    assert not any(isinstance(event, Completed) for event in made.events)


def test_it_stops_while_the_mesh_is_made(ask):
    asked = count()
    made = ask(stopped=lambda events: len(events) == 16 and next(asked) >= 10)
    assert next(asked) == 11, "it was not asked again"
    assert len(made.events) == 16
    assert len(ask().events) == 17


def test_a_picture_becomes_the_solid_that_goes_with_it(ask_of, seeing_engine, picture_of):
    ball = ask_of(seeing_engine, "", picture_of("circle", "red"))
    cube = ask_of(seeing_engine, "words are not read", picture_of("square", "green"))
    assert (colour_of(to_srgb(ball.glb.colours)), colour_of(to_srgb(cube.glb.colours))) == ("red", "green")
    assert roundness(ball.glb) > 0.8
    assert roundness(cube.glb) < 0.6
    assert is_closed(ball.glb)
    assert len(ball.steps) == 16
    assert ask_of(seeing_engine, "", picture_of("circle", "red")).content == ball.content


def test_what_a_model_cannot_use_is_refused(ask, ask_of, seeing_engine, picture_of):
    picture = picture_of("circle", "red")
    with pytest.raises(InvalidRequest, match="/input: this model makes 3D of words"):
        ask(RED_CONE, picture)
    with pytest.raises(InvalidRequest, match="/input: this model makes 3D of words"):
        ask("")
    with pytest.raises(InvalidRequest, match="/input: this model makes 3D of a picture, and there is none"):
        ask_of(seeing_engine, RED_CONE)
    with pytest.raises(InvalidRequest, match="/input: this model has no use for a mask"):
        ask_of(seeing_engine, "", picture, picture_of("square", "red", "mask"))
    with pytest.raises(ContextLengthExceeded, match="this model reads"):
        ask("a red cone " * 10)


@pytest.fixture
def broken(tmp_path) -> Callable[[float], ShapEEngine]:
    """The engine for a model whose distances are all of that value: nowhere is its surface."""

    def broken(value: float) -> ShapEEngine:
        folder = Path(shutil.copytree(SHIPPED / "tiny-solids", tmp_path / "broken"))
        weights = load_file(folder / RENDERER)
        weights["mlp.mlp.3.bias"][0] = value
        save_file(weights, folder / RENDERER)
        return load(folder)

    return broken


@pytest.mark.parametrize("value", [-1000.0, float("nan")])
def test_a_model_that_makes_nothing_says_so(ask_of, broken, value):
    with pytest.raises(RunnerBadOutput, match="no surface") as failed:
        ask_of(broken(value), RED_CONE)
    assert failed.value.source == "runner"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"faces": np.empty((0, 3), int)}, "no surface"),
        ({"vertices": np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]])}, "no numbers"),
        ({"colours": np.full((3, 3), np.inf)}, "no numbers"),
        ({"vertices": np.array([[0, 0, 0], [1, 0, 0], [0, 9, 0]])}, "beyond its own bounds"),
        ({"faces": np.array([[0, 1, 3]])}, "beyond its own bounds"),
    ],
)
def test_a_surface_that_nobody_could_use_is_refused(changes, said):
    whole = {"vertices": np.eye(3), "faces": np.array([[0, 1, 2]]), "colours": np.zeros((3, 3))}
    Surface(**whole).check(2)
    with pytest.raises(RunnerBadOutput, match=said):
        Surface(**(whole | changes)).check(2)
