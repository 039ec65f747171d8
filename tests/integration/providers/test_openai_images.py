"""What the `openai` provider asks a server of pictures for, and what it makes of the answer."""

import io
from pathlib import Path

import pytest
from attrs import define
from PIL import Image

from pluggably.adapters.memory.artifacts import MemoryEgress
from pluggably.domain.errors import InvalidRequest
from pluggably.domain.generation import Completed, InputFile, Progress, TextDelta, TextPart, Usage

from ...pictures import encoded
from .forms import parts_of
from .image_answers import PNG, USAGE, answering, asked_of, base64, completed, drawing, inside, naming, partial, whole
from .openai_server import end, openai_server, streaming


@define
class Asked:
    """What became of one request: the events, and what the server was asked."""

    events: list
    calls: list
    left: set[str]

    @property
    def completed(self) -> Completed:
        return self.events[-1]

    @property
    def contents(self) -> list[bytes]:
        return [Path(file.path).read_bytes() for file in self.completed.files]


@pytest.fixture
def ask(tmp_path):
    """Ask a server that answers so for a picture."""

    async def ask(answer, *files, settings=None, **request) -> Asked:
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        async with openai_server(answer) as server:
            provider = server.provider(**({"models": ["*"], "image_models": ["*"]} | (settings or {})))
            try:
                asked = asked_of(provider, workspace, *files, **request)
                events = [event async for event in provider.generate(asked)]
                return Asked(events, server.calls, {str(path) for path in workspace.iterdir()})
            finally:
                await provider.close()

    return ask


@pytest.fixture
def shown(tmp_path):
    """A picture that a request shows."""

    def shown(kind="PNG", **facts) -> InputFile:
        path = tmp_path / f"secret-{kind}"
        path.write_bytes(encoded(kind, (300, 300)))
        return InputFile(path=str(path), media_type=f"image/{kind.lower()}", **facts)

    return shown


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_model_of_openais_is_asked_in_its_own_words(ask):
    asked = await ask(drawing, width=1536, height=864, n=2, format="webp")
    (call,) = asked.calls
    assert (call.path, call.body) == (
        "/v1/images/generations",
        {"model": "gpt-image-2", "prompt": "A red circle", "size": "1536x864", "n": 2, "output_format": "webp"},
    )
    assert [file.media_type for file in asked.completed.files] == ["image/webp"] * 2


async def test_any_other_model_is_asked_for_bytes_and_by_the_servers_names(ask):
    settings = {"extra_parameters": {"steps": "num_inference_steps", "seed": "seed"}}
    asked = await ask(drawing, model="org/flux", settings=settings, steps=4, seed=7, width=8, height=4096)
    assert asked.calls[0].body == {
        "model": "org/flux",
        "prompt": "A red circle",
        "size": "8x4096",
        "num_inference_steps": 4,
        "seed": 7,
        "response_format": "b64_json",
    }
    assert asked.completed.seed == 7


async def test_pictures_to_begin_with_go_out_as_a_form_without_where_they_are(ask, shown):
    asked = await ask(drawing, shown("PNG"), shown("JPEG"), n=1)
    (call,) = asked.calls
    assert call.path == "/v1/images/edits"
    fields = {("model", b"gpt-image-2"), ("prompt", b"A red circle"), ("n", b"1")}
    assert {(name, content) for name, file, _, content in parts_of(call) if file is None} == fields
    assert [part for part in parts_of(call) if part[1]] == [
        ("image[]", "0.png", "image/png", encoded("PNG", (300, 300))),
        ("image[]", "1.jpg", "image/jpeg", encoded("JPEG", (300, 300))),
    ]
    assert b"secret" not in call.content


async def test_one_picture_has_the_name_that_every_server_knows(ask, shown):
    asked = await ask(drawing, shown("WEBP"), model="m", settings={"image_edits": True})
    assert [part[:3] for part in parts_of(asked.calls[0]) if part[1]] == [("image", "0.webp", "image/webp")]


@pytest.mark.parametrize(
    ("request_", "uses", "said"),
    [
        ({"model": "gpt-image-1.5", "width": 512, "height": 512}, [], "1024x1024, 1536x1024, 1024x1536"),
        ({"width": 1024}, [], "go together"),
        ({"format": "jpeg", "preview_every": 1}, [], "png"),
        ({"model": "dall-e-2"}, ["image", "image"], "1 pictures at most"),
        ({"model": "m"}, ["image", "mask"], "no mask"),
        ({}, ["mask"], "must show a picture"),
        ({}, ["image", "mask", "mask"], "one mask"),
    ],
)
async def test_what_cannot_be_had_is_refused_before_the_server_is_asked(ask, shown, request_, uses, said):
    calls = []

    async def note(call) -> None:
        calls.append(call)

    with pytest.raises(InvalidRequest, match=said):
        await ask(note, *(shown(use=use) for use in uses), stream=True, **request_)
    assert calls == []


async def test_a_mask_goes_out_transparent_where_ours_is_white(ask, shown, tmp_path):
    ours = Image.new("L", (4, 2), 0)
    ours.putpixel((3, 1), 255)
    ours.save(tmp_path / "mask.png")
    mask = InputFile(path=str(tmp_path / "mask.png"), media_type="image/png", use="mask")
    asked = await ask(drawing, shown(), mask)
    (sent,) = [part for part in parts_of(asked.calls[0]) if part[0] == "mask"]
    assert sent[1:3] == ("mask.png", "image/png")
    alpha = Image.open(io.BytesIO(sent[3])).getchannel("A")
    assert [alpha.getpixel((x, y)) for y in range(2) for x in range(4)] == [255] * 7 + [0]
    assert asked.left == {file.path for file in asked.completed.files}


async def test_a_mask_that_cannot_be_read_is_refused(ask, shown, tmp_path):
    (tmp_path / "mask.png").write_bytes(PNG[:-30])
    mask = InputFile(path=str(tmp_path / "mask.png"), media_type="image/png", use="mask")
    with pytest.raises(InvalidRequest, match="the mask cannot be read"):
        await ask(drawing, shown(), mask)


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_picture_is_what_its_header_says_and_its_usage_what_was_counted(ask):
    asked = await ask(answering(whole(inside(encoded("JPEG", (30, 20))), usage=USAGE)))
    (file,) = asked.completed.files
    assert (file.media_type, file.facts) == ("image/jpeg", {"width": 30, "height": 20})
    assert asked.contents == [encoded("JPEG", (30, 20))]
    assert asked.left == {file.path}
    assert asked.completed.usage == Usage(input_tokens=9, output_tokens=272)


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": 0, "total_tokens": 0}}])
async def test_what_nobody_counted_is_estimated(ask, usage):
    asked = await ask(answering(whole(inside(), **usage)))
    assert asked.completed.usage == Usage(input_tokens=3, source="estimated")


async def test_base64_with_escaped_slashes_is_the_same_picture(ask):
    content = PNG + bytes(range(256)) * 16_384  # several times what is decoded at once, and full of slashes
    body = '{"data":[{"b64_json":"' + base64(content).replace("/", r"\/") + '","url":null}]}'
    assert (await ask(answering(body.encode()))).contents == [content]


async def test_what_the_server_drew_instead_is_the_text_of_the_output(ask):
    pictures = [inside(revised_prompt="A perfect circle, red"), inside(revised_prompt="A perfect circle, red")]
    asked = await ask(answering(whole(*pictures)), n=2)
    assert asked.completed.output == (TextPart("A perfect circle, red"),)
    assert asked.events[-2] == TextDelta("A perfect circle, red")


async def test_a_prompt_that_was_not_changed_is_not_told(ask):
    asked = await ask(answering(whole(inside(revised_prompt="A red circle"))))
    assert asked.completed.output == ()


@pytest.mark.parametrize("url", ["{origin}/files/1.png", "/files/1.png"])
async def test_a_url_of_the_same_server_is_asked_for_there_and_then(ask, url):
    asked = await ask(naming(url, answering(PNG)))
    assert asked.contents == [PNG]
    asking, fetching = asked.calls
    assert fetching.head.startswith("GET /files/1.png ")
    assert "Authorization: Bearer sk-secret\r\n" in fetching.head
    assert asking.connection == fetching.connection


async def test_a_url_of_another_server_is_fetched_by_the_egress(ask):
    egress = MemoryEgress({"https://files.test/1": PNG})
    asked = await ask(answering(whole({"url": "https://files.test/1"})), settings={"egress": egress})
    assert asked.contents == [PNG]
    assert len(asked.calls) == 1


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("every", "asked_for", "steps"), [(1, 3, [1, 2, 3, 4]), (2, 1, [2, 4]), (3, 1, [3, 4])])
async def test_previews_are_the_partial_images_of_a_stream(ask, every, asked_for, steps):
    asked = await ask(drawing, stream=True, preview_every=every)
    assert asked.calls[0].body["partial_images"] == asked_for
    progress = [event for event in asked.events if isinstance(event, Progress)]
    assert [(it.step, it.steps) for it in progress] == [(step, 4) for step in steps]
    assert [it.preview for it in progress] == [PNG] * asked_for + [None]
    assert asked.completed.usage == Usage(input_tokens=9, output_tokens=272)


@pytest.mark.parametrize("request_", [{"stream": False, "preview_every": 1}, {"stream": True}])
async def test_nothing_is_streamed_that_nobody_watches(ask, request_):
    asked = await ask(drawing, **request_)
    assert asked.calls[0].body.keys() == {"model", "prompt"}


async def test_several_pictures_of_a_stream_are_several_files(ask):
    assert len((await ask(drawing, stream=True, preview_every=1, n=3)).completed.files) == 3


async def test_steps_only_grow_whatever_the_server_counts(ask):
    pictures = [partial(index) for index in (0, 0, 2, 1, 7)]
    asked = await ask(streaming(*pictures, completed(), then=end), stream=True, preview_every=1)
    assert [event.step for event in asked.events if isinstance(event, Progress)] == [1, 3, 4]


async def test_edits_stream_under_their_own_names(ask, shown):
    picture = {"type": "image_edit.completed", **inside()}
    answer = streaming(partial(0, of="image_edit"), {"type": "image_edit.other"}, picture, "[DONE]", then=end)
    asked = await ask(answer, shown(), stream=True, preview_every=3)
    assert [type(event).__name__ for event in asked.events] == ["Started", "Progress", "Progress", "Completed"]
    assert ("stream", None, "text/plain", b"true") in parts_of(asked.calls[0])


async def test_a_picture_of_many_megabytes_comes_through_a_stream(ask):
    content = PNG + bytes(6 * 2**20)
    asked = await ask(streaming(completed(content), then=end), stream=True, preview_every=1)
    assert asked.contents == [content]
