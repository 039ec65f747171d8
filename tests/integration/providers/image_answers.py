"""Ways in which a server of OpenAI's image API answers, and what it is asked."""

import json
from base64 import b64encode
from pathlib import Path

from attrs import evolve

from pluggably.domain.generation import GenerationRequest, InputFile

from ...builders import a_picture_request
from ...pictures import encoded
from .openai_server import Answer, Call

PNG = encoded("PNG")
USAGE = {"input_tokens": 9, "output_tokens": 272, "total_tokens": 281}


def asked_of(
    provider, workspace: Path | None, *files: InputFile, model="gpt-image-2", stream=False, **parameters
) -> GenerationRequest:
    named = provider.match(f"stub/{model}")
    return evolve(a_picture_request("A red circle", workspace, *files, model=named, **parameters), stream=stream)


def base64(content: bytes) -> str:
    return b64encode(content).decode()


def whole(*pictures: dict, **facts) -> dict:
    return {"created": 1, "data": list(pictures), **facts}


def inside(content: bytes = PNG, **facts) -> dict:
    return {"b64_json": base64(content), **facts}


def answering(body: dict | bytes, status: int = 200, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(call: Call) -> None:
        await call.answer(content, status, **headers)

    return answer


def naming(url: str, picture: Answer) -> Answer:
    """Answer with a URL, in which `{origin}` and `{host}` are this server's, and there with a picture."""

    async def answer(call: Call) -> None:
        if call.path.startswith("/v1/images/"):
            host = call.head.lower().partition("\r\nhost: ")[2].partition("\r\n")[0]
            await answering(whole({"url": url.format(origin=f"http://{host}", host=host)}))(call)
        else:
            await picture(call)

    return answer


def partial(index: int, content: bytes = PNG, of: str = "image_generation") -> dict:
    return {"type": f"{of}.partial_image", "partial_image_index": index, **inside(content)}


def completed(content: bytes = PNG, of: str = "image_generation") -> dict:
    return {"type": f"{of}.completed", "usage": USAGE, **inside(content)}


async def drawing(call: Call) -> None:
    """Draw what was asked for, in the format and as often as that was, with partial images if they were."""
    content = encoded(call.body.get("output_format", "png").upper())
    count = call.body.get("n", 1)
    if not call.body.get("stream"):
        await answering(whole(*[inside(content)] * count, usage=USAGE))(call)
        return
    await call.begin_stream()
    for index in range(call.body["partial_images"]):
        await call.event(partial(index, content))
    for _ in range(count):
        await call.event(completed(content))
    await call.end_stream()
