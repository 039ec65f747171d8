"""Google's own Python client beside our provider, against the same server: what the one sends, the other sends too,
and what the one understands of an answer, the other does.

The client is an implementation of the API that we did not write; `pip install --group dev` brings it.
"""

import json
from base64 import b64encode
from contextlib import asynccontextmanager

import httpx
import pytest
from attrs import evolve
from google import genai
from google.genai import types

from pluggably.domain.generation import (
    ImagePart,
    InputFile,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    text_message,
)

from ...builders import a_picture_request, a_request
from ...pictures import encoded
from .api_server import end, streaming
from .gemini_server import answer, call, counting, drawing, gemini_server, piece, text

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "The weather", "parameters": SCHEMA}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}

CONVERSATION = (
    text_message(Role.SYSTEM, "Be brief."),
    Message(
        Role.USER, (TextPart("Where?"), ImagePart("data:image/png;base64,AAAA"), ImagePart("https://a.test/b.png"))
    ),
    Message(Role.ASSISTANT, (TextPart("Let me see."), ToolCallPart("t1", "weather", '{"city":"Paris"}'))),
    Message(Role.TOOL, (ToolResultPart("t1", "rain"),)),
)


def the_same_conversation() -> list:
    return [
        types.UserContent(
            [
                types.Part(text="Where?"),
                types.Part.from_bytes(data=b"\0\0\0", mime_type="image/png"),
                types.Part.from_uri(file_uri="https://a.test/b.png", mime_type="image/png"),
            ]
        ),
        types.ModelContent(
            [
                types.Part(text="Let me see."),
                types.Part(function_call=types.FunctionCall(id="t1", name="weather", args={"city": "Paris"})),
            ]
        ),
        types.UserContent(
            [types.Part(function_response=types.FunctionResponse(id="t1", name="weather", response={"output": "rain"}))]
        ),
    ]


@asynccontextmanager
async def client(server):
    async with httpx.AsyncClient(trust_env=False) as connections:  # its own are of aiohttp, and warn
        options = types.HttpOptions(
            base_url=server.base_url.removesuffix("/v1beta"), api_version="v1beta", httpx_async_client=connections
        )
        yield genai.Client(api_key="AIza-secret", http_options=options, vertexai=False).aio


async def ask_them(server, stream: bool, contents, **config):
    """Their answer: the text of all its pieces, and the last of these."""
    async with client(server) as theirs:
        asked = {"model": "gemini-test", "contents": contents, "config": types.GenerateContentConfig(**config)}
        if not stream:
            whole = await theirs.models.generate_content(**asked)
            return whole.text, whole
        pieces = [it async for it in await theirs.models.generate_content_stream(**asked)]
        return "".join(it.text or "" for it in pieces), pieces[-1]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("messages", "parameters", "contents", "config"),
    [
        (
            ("Hi",),
            {"max_tokens": 16, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop": ("\n",), "seed": 7},
            lambda: "Hi",
            {
                "max_output_tokens": 16,
                "temperature": 0.5,
                "top_p": 0.9,
                "top_k": 3,
                "stop_sequences": ["\n"],
                "seed": 7,
            },
        ),
        (CONVERSATION, {}, the_same_conversation, {"system_instruction": "Be brief."}),
        (
            ("Hi",),
            {
                "tools": ({"type": "function", "function": TOOL},),
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
            },
            lambda: "Hi",
            {
                "tools": [
                    {
                        "function_declarations": [
                            {"name": "weather", "description": "The weather", "parameters_json_schema": SCHEMA}
                        ]
                    }
                ],
                "tool_config": {
                    "function_calling_config": {"mode": "ANY", "allowed_function_names": ["weather"]},
                },
            },
        ),
        (
            ("Hi",),
            {"response_format": FORMAT},
            lambda: "Hi",
            {"response_mime_type": "application/json", "response_json_schema": SCHEMA},
        ),
    ],
    ids=["text", "conversation", "tools", "schema"],
)
async def test_both_ask_the_same(messages, parameters, contents, config, stream):
    async with gemini_server(counting) as server:
        provider = server.provider()
        request = a_request(*messages, model=provider.match("stub/gemini-test"), **parameters)
        ours = [event async for event in provider.generate(evolve(request, stream=stream))][-1]
        await provider.close()
        said, last = await ask_them(server, stream, contents(), **config)
    mine, official = server.calls
    assert mine.path == official.path
    assert mine.body == plainly(official.body)
    assert all("\r\nx-goog-api-key: aiza-secret\r\n" in asked.head.lower() for asked in (mine, official))
    assert ours.output == (TextPart(said),)
    assert ours.usage.output_tokens == last.usage_metadata.candidates_token_count
    assert ours.resolved_model == last.model_version


def plainly(said):
    """What their client says, under one spelling: Google takes both `mime_type` and `mimeType`, and both base64s.

    It also says that instructions are the user's, and that there is no configuration; neither has a meaning.
    """
    if isinstance(said, list):
        return [plainly(it) for it in said]
    if not isinstance(said, dict):
        return said
    named = {camel(name): it if name == "parameters_json_schema" else plainly(it) for name, it in said.items()}
    for name in ("thoughtSignature", "data"):
        if name in named:
            named[name] = named[name].replace("-", "+").replace("_", "/")
    if "systemInstruction" in named:
        named["systemInstruction"].pop("role", None)
    return {name: it for name, it in named.items() if it or name != "generationConfig"}


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


SIGNATURE = b64encode(b"\x01 a signature \xff").decode()
WRITTEN = [text("Let me see."), call("weather", "f1", SIGNATURE, city="Paris"), call("weather", "f2", city="Rome")]


async def whole(asked) -> None:
    await asked.answer(json.dumps(answer(*WRITTEN)).encode())


@pytest.mark.parametrize("stream", [True, False])
async def test_both_understand_the_same_and_show_signatures_again_alike(stream):
    events = streaming(*(piece(part) for part in WRITTEN[:-1]), answer(WRITTEN[-1]), then=end)
    async with gemini_server(events if stream else whole) as server:
        provider = server.provider()
        request = evolve(a_request("Where?", model=provider.match("stub/gemini-test")), stream=stream)
        ours = [event async for event in provider.generate(request)][-1]
        results = Message(Role.TOOL, (ToolResultPart("f1", "rain"), ToolResultPart("f2", "sun")))
        messages = (*request.messages, Message(Role.ASSISTANT, ours.output), results)
        assert [event async for event in provider.generate(evolve(request, messages=messages, state=ours.state))]
        await provider.close()
        async with client(server) as theirs:
            chat = theirs.chats.create(model="gemini-test")
            if stream:
                async for _ in await chat.send_message_stream("Where?"):
                    pass
            else:
                await chat.send_message("Where?")
            answered = [
                types.Part(function_response=types.FunctionResponse(id=id_, name="weather", response={"output": it}))
                for id_, it in (("f1", "rain"), ("f2", "sun"))
            ]
            if stream:
                async for _ in await chat.send_message_stream(answered):
                    pass
            else:
                await chat.send_message(answered)
    mine = server.calls[1].body["contents"]
    official = plainly(server.calls[3].body)["contents"]
    assert mine[1]["parts"] == WRITTEN
    theirs_again = [part for content in official[1:-1] for part in content["parts"]]
    assert theirs_again == WRITTEN
    assert mine[-1]["parts"] == official[-1]["parts"]


async def test_both_ask_for_the_same_picture_and_get_it(tmp_path):
    shown = tmp_path / "shown"
    shown.write_bytes(encoded("JPEG"))
    async with gemini_server(drawing) as server:
        provider = server.provider(models=["gemini-test"], image_models=["gemini-test"])
        file = InputFile(path=str(shown), media_type="image/jpeg")
        model = provider.match("stub/gemini-test")
        ours = [it async for it in provider.generate(a_picture_request("Bluer", tmp_path, file, model=model, seed=5))]
        await provider.close()
        contents = [types.Part.from_bytes(data=encoded("JPEG"), mime_type="image/jpeg"), "Bluer"]
        _, theirs = await ask_them(server, False, contents, response_modalities=["TEXT", "IMAGE"], seed=5)
    mine, official = server.calls
    assert mine.body == plainly(official.body)
    (made,) = [part.inline_data.data for part in theirs.candidates[0].content.parts if part.inline_data]
    assert made == (tmp_path / "0").read_bytes() == encoded("PNG")
    assert ours[-1].output == (TextPart("Here it is."),)
