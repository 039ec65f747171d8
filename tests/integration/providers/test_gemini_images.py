"""Pictures of the Gemini API: what it is asked for, and what becomes of its answers."""

import json
from base64 import b64decode

import pytest

from pluggably.domain.errors import InvalidRequest
from pluggably.domain.generation import FinishReason, InputFile, Started, TextDelta, TextPart, Usage
from pluggably.domain.model import Modality

from ...builders import a_picture_request
from ...pictures import encoded
from .gemini_server import answer, drawing, gemini_server, picture, text

FLASH, PRO = "gemini-2.5-flash-image", "gemini-3-pro-image-preview"
SETTINGS = {"models": ["*"]}


def answering(*parts: dict, **facts):
    async def answers(call) -> None:
        await call.answer(json.dumps(answer(*parts, **facts)).encode())

    return answers


async def drawn(answers, workspace, *files, model=FLASH, prompt="A circle", **parameters) -> tuple[list, dict]:
    """The events, and what the server was asked for."""
    async with gemini_server(answers) as server:
        provider = server.provider(**SETTINGS)
        request = a_picture_request(prompt, workspace, *files, model=provider.match(f"stub/{model}"), **parameters)
        events = [event async for event in provider.generate(request)]
        await provider.close()
    return events, server.calls[0].body


async def test_a_picture_is_a_file_and_what_is_said_beside_it_is_text(tmp_path):
    events, asked = await drawn(drawing, tmp_path, seed=5)
    assert events[:2] == [Started(), TextDelta("Here it is.")]
    completed = events[2]
    assert completed.output == (TextPart("Here it is."),)
    assert completed.finish_reason is FinishReason.STOP
    assert completed.usage == Usage(input_tokens=9, output_tokens=5, cached_input_tokens=4)
    (file,) = completed.files
    assert (file.media_type, file.facts) == ("image/png", {"width": 37, "height": 23})
    assert (tmp_path / "0").read_bytes() == encoded("PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert asked == {
        "contents": [{"role": "user", "parts": [text("A circle")]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "seed": 5},
    }


async def test_several_pictures_are_all_kept_and_the_thought_of_one_is_not(tmp_path):
    jpeg = encoded("JPEG")
    events, _ = await drawn(answering(picture(thought=True), picture(), text("and"), picture(jpeg)), tmp_path)
    assert [file.media_type for file in events[-1].files] == ["image/png", "image/jpeg"]
    assert (tmp_path / "1").read_bytes() == jpeg


async def test_pictures_to_begin_with_go_before_the_words(tmp_path):
    shown = []
    for number, kind in enumerate(("PNG", "JPEG")):
        path = tmp_path / f"shown-{number}"
        path.write_bytes(encoded(kind))
        shown.append(InputFile(path=str(path), media_type=f"image/{kind.lower()}"))
    workspace = tmp_path / "work"
    workspace.mkdir()
    _, asked = await drawn(drawing, workspace, *shown, prompt="Bluer")
    first, second, words = asked["contents"][0]["parts"]
    assert [first["inlineData"]["mimeType"], second["inlineData"]["mimeType"]] == ["image/png", "image/jpeg"]
    assert b64decode(second["inlineData"]["data"]) == encoded("JPEG")
    assert words == text("Bluer")


async def test_a_mask_is_refused(tmp_path):
    mask = tmp_path / "mask"
    mask.write_bytes(encoded("PNG"))
    with pytest.raises(InvalidRequest, match="mask"):
        await drawn(drawing, tmp_path, InputFile(path=str(mask), media_type="image/png", use="mask"))


@pytest.mark.parametrize(
    ("model", "width", "height", "config"),
    [
        (FLASH, 1024, 1024, {"aspectRatio": "1:1"}),
        (FLASH, 1344, 768, {"aspectRatio": "16:9"}),
        (PRO, 1376, 768, {"aspectRatio": "16:9", "imageSize": "1K"}),
        (PRO, 4096, 4096, {"aspectRatio": "1:1", "imageSize": "4K"}),
    ],
)
async def test_a_size_is_asked_for_as_gemini_names_it(tmp_path, model, width, height, config):
    _, asked = await drawn(drawing, tmp_path, model=model, width=width, height=height)
    assert asked["generationConfig"]["imageConfig"] == config


@pytest.mark.parametrize(
    ("size", "pointer"),
    [
        ({"width": 1000, "height": 1000}, "/parameters/width"),
        ({"width": 1024}, "/parameters/height"),
        ({"height": 1024}, "/parameters/width"),
    ],
)
async def test_a_size_that_the_model_does_not_make_is_refused(tmp_path, size, pointer):
    with pytest.raises(InvalidRequest) as refused:
        await drawn(drawing, tmp_path, **size)
    (violation,) = refused.value.violations
    assert (violation.pointer, "1024x1024" in violation.allowed) == (pointer, True)


async def test_the_models_that_make_pictures_are_known_by_their_names():
    async with gemini_server(drawing) as server:
        provider = server.provider(models=["*"])
        modalities = {
            name: provider.match(f"stub/{name}").modality
            for name in (FLASH, PRO, "gemini-3.1-flash-image", "gemini-2.5-flash", "gemini-3-pro")
        }
        assert list(modalities.values()) == [Modality.IMAGE] * 3 + [Modality.TEXT] * 2
        assert provider.match(f"stub/{FLASH}").parameters == {"seed", "width", "height"}
        assert provider.match("stub/gemini-3.1-flash-image").parameters == {"seed"}
        await provider.close()


async def test_a_picture_model_that_is_none_of_the_models_is_refused_by_name():
    async with gemini_server(drawing) as server:
        with pytest.raises(ValueError, match="'flx'"):
            server.provider(models=["gemini-3"], image_models=["flx"])
