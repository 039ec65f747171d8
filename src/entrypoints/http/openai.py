"""`/v1/chat/completions`: OpenAI's route, so that its clients work unchanged; `openai_wire.py` says what it speaks."""

from collections.abc import Sequence

import msgspec
from attrs import define, evolve, field, frozen
from falcon.asgi import Response

from ...application.generate import Answer, Generate
from ...application.running import Output
from ...domain.errors import GatewayError
from ...domain.generation import Generation, Progress, TextDelta, ToolCallDelta
from . import sse
from .body import idempotency_key, principal_of, read_json
from .entity_tags import expected_version
from .exchange import Request
from .openai_wire import read_request, to_completion, to_state_token, to_tool_call, to_usage
from .problems import openai_error

_encode = msgspec.json.Encoder().encode


@frozen
class ChatCompletions:
    """The resource."""

    generate: Generate

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer a conversation."""
        request, parameters = read_request(read_json(req))
        command = request.command(parameters, expected_version(req))
        if key := idempotency_key(req):
            command = evolve(command, idempotency=key)
        begin = self.generate.begin(command, principal_of(req), req.exchange.request_id)
        if command.stream:
            await sse.respond(resp, req.exchange, begin, ChatChunks(include_usage=request.include_usage))
            return
        async with begin as running:
            resp.data = _encode(to_completion(await running.result()))
        resp.content_type = "application/json"


@define(eq=False)
class ChatChunks:
    """OpenAI's dialect: chunks without names, `[DONE]` at the end of those that are whole.

    Of a chunk only the delta changes, so that what stands before and after it is made once.
    """

    include_usage: bool
    _head: bytes = field(init=False, default=b"")
    _tail: bytes = field(init=False, default=b"")

    def opening(self, running: Answer) -> bytes:
        """The role."""
        created = int(running.created_at.timestamp())
        chunk = {"id": running.id, "object": "chat.completion.chunk", "created": created, "model": running.model.id}
        self._head = b"data: " + _encode(chunk)[:-1] + b',"choices":[{"index":0,"delta":'
        self._tail = (b'}],"usage":null}' if self.include_usage else b"}]}") + b"\n\n"
        return self._chunk(b'{"role":"assistant","content":""}')

    def write(self, outputs: Sequence[Output]) -> bytes:
        """Deltas, and at last why it ended."""
        return b"".join([self._output(output) for output in outputs])

    def failure(self, error: GatewayError) -> bytes:
        """The error object, which OpenAI's clients raise; nothing after it."""
        return b"data: " + _encode(openai_error(error)) + b"\n\n"

    def _output(self, output: Output) -> bytes:
        match output:
            case TextDelta(text):
                return self._chunk(b'{"content":' + _encode(text) + b"}")
            case ToolCallDelta():
                return self._chunk(_encode({"tool_calls": [to_tool_call(output)]}))
            case Progress():
                return b""
            case Generation():
                return self._end(output)

    def _end(self, generation: Generation) -> bytes:
        end = self._chunk(b"{}", _encode(generation.result.finish_reason))
        if token := to_state_token(generation):
            end = end[: -len(b"}\n\n")] + b"," + _encode(token)[1:] + b"\n\n"
        if self.include_usage:
            choices = self._head.rpartition(b'[{"index"')[0]
            end += choices + b'[],"usage":' + _encode(to_usage(generation.result.usage)) + b"}\n\n"
        return end + b"data: [DONE]\n\n"

    def _chunk(self, delta: bytes, finish_reason: bytes = b"null") -> bytes:
        return self._head + delta + b',"logprobs":null,"finish_reason":' + finish_reason + self._tail
