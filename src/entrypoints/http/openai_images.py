"""`/v1/images/generations`: OpenAI's route, for its clients as they are; `openai_images_wire.py` has its words."""

from collections.abc import Sequence

import msgspec
from attrs import define, evolve, field, frozen
from falcon.asgi import Response

from ...application.generate import Answer, Generate
from ...application.running import Output
from ...domain.errors import GatewayError
from ...domain.generation import Generation, Progress
from . import sse
from .body import idempotency_key, principal_of, read_json
from .entity_tags import expected_version
from .exchange import Exchange, Request
from .openai_images_wire import read_request, to_image, to_images, to_usage
from .openai_wire import to_state_token
from .problems import openai_error

_encode = msgspec.json.Encoder().encode


@frozen
class ImageGenerations:
    """The resource."""

    generate: Generate

    async def on_post(self, req: Request, resp: Response) -> None:
        """Make pictures."""
        request, parameters = read_request(read_json(req))
        command = evolve(request.command(parameters, expected_version(req)), idempotency=idempotency_key(req))
        begin = self.generate.begin(command, principal_of(req), req.exchange.request_id)
        if command.stream:
            await sse.respond(resp, req.exchange, begin, ImageEvents(req.exchange, request.partial_images or 0))
            return
        async with begin as running:
            resp.data = _encode(to_images(await running.result(), req.prefix))
        resp.content_type = "application/json"


@define(eq=False)
class ImageEvents:
    """OpenAI's dialect: as many partial images as were asked for, evenly spread, then each picture whole."""

    exchange: Exchange
    partial_images: int
    _shown: int = field(init=False, default=0)
    _created: int = field(init=False, default=0)

    def opening(self, running: Answer) -> bytes:
        """Nothing: OpenAI's streams begin with the first picture."""
        self._created = int(running.created_at.timestamp())
        return b""

    def write(self, outputs: Sequence[Output]) -> bytes:
        """Partial images, and at last the pictures."""
        return b"".join([self._output(output) for output in outputs])

    def failure(self, error: GatewayError) -> bytes:
        """The error object, which OpenAI's clients raise; nothing after it."""
        return b"event: error\ndata: " + _encode({"type": "error", **openai_error(error)}) + b"\n\n"

    def _output(self, output: Output) -> bytes:
        match output:
            case Progress(preview=bytes(preview)) if self._is_due(output):
                self._shown += 1
                partial = {"b64_json": preview, "partial_image_index": self._shown - 1}
                return self._event("image_generation.partial_image", partial)
            case Generation():
                facts = {"usage": to_usage(output), **to_state_token(output)}
                return b"".join(
                    [
                        self._event("image_generation.completed", to_image(file, self.exchange.base) | facts)
                        for file in output.files
                    ]
                )
            case _:
                return b""

    def _is_due(self, progress: Progress) -> bool:
        due = progress.step * (self.partial_images + 1) // max(progress.steps, 1)
        return self._shown < min(due, self.partial_images)

    def _event(self, name: str, facts: dict[str, object]) -> bytes:
        event = {"type": name, "created_at": self._created, **facts}
        return b"event: " + name.encode() + b"\ndata: " + _encode(event) + b"\n\n"
