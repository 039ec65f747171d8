"""GGUF models on llama.cpp, through xllamacpp 2026.10.11549 (its parameters are those of `llama-server`).

The engine's own HTTP server cannot be left out, so it is made unreachable: it listens on a UNIX socket in a private
folder that is removed once the model is loaded, and on no port; and a random key, known to nobody, guards it.

Requests share one context memory (`kv_unified`): each may use the model's whole context, and a prompt that begins as an
earlier one continues from what is cached of it, in a slot or in the cache of slots that had to make room. Were that
memory to fill up, the server would end all requests; so the youngest gives way before (`shared_context.py`).

Prompts are read in small batches, because only between two of them can a request be cancelled.

It cannot see images, and cannot call tools.
"""

import http.client
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Mapping
from typing import Any

import xllamacpp
from attrs import define, field

from ...domain.errors import (
    ContextLengthExceeded,
    GatewayError,
    InvalidRequest,
    Overloaded,
    RunnerCrashed,
    StreamInterrupted,
)
from ...domain.generation import (
    Completed,
    FinishReason,
    GenerationRequest,
    TextDelta,
    TextPart,
    Usage,
)
from ...domain.parameters import TextParameters, given
from .engine import Emit, EngineOptions, Stopped
from .shared_context import SharedContext, shared_tokens
from .text_messages import text_messages

BATCH_TOKENS = 64
"""Prompt tokens between two looks at whether the client is still there: 0.2 s of a small model on two cores. Batches
of 128 read a prompt no faster there, and are cancelled 0.35 s late."""

PROMPT_CACHE_MIB = 512
"""Memory for the prompts of conversations that had to leave their slot."""

WIRE_NAMES = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "stop": "stop",
    "seed": "seed",
    "response_format": "response_format",
}
"""The parameters that this engine honours, by the names it knows them by."""

RESPONSE_FORMATS = ("text", "json_object", "json_schema")


class LlamaCppEngine:
    """One GGUF model, loaded."""

    def __init__(self, options: EngineOptions) -> None:
        """Load the model; several files of one model are found from the first."""
        with tempfile.TemporaryDirectory(prefix="pluggably-") as folder:
            path, key = f"{folder}/llama.sock", secrets.token_urlsafe(32)
            self._server = xllamacpp.Server(to_params(options, path, key))
            self.context_length = context_of(path, key)
        shared = shared_tokens(options.context_length, options.parallel) if options.context_length else None
        self._shared = SharedContext(shared or self.context_length, reserve=2 * BATCH_TOKENS)

    def generate(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> None:
        """Answer the conversation with the model's own chat template."""
        reply = Reply(request, emit if request.stream else _discard)
        share = self._shared.enter()

        def receive(chunk: Mapping[str, Any]) -> bool:
            self._shared.grow(share, reply.add(chunk))
            return share.gives_way or stopped()

        try:
            self._server.handle_chat_completions(to_wire(request), receive)
        except ValueError as exc:
            raise refused(request) from exc
        finally:
            self._shared.leave(share)
        if stopped():
            return
        if share.gives_way:
            raise crowded_out()
        emit(reply.completed())

    def close(self) -> None:
        """Free the model; what still runs ends with the process."""
        del self._server


def to_params(options: EngineOptions, socket_path: str, key: str) -> "xllamacpp.CommonParams":
    """How to load the model."""
    context, threads = options.context_length, options.threads or os.cpu_count() or 1
    params = xllamacpp.CommonParams()
    params.model.path = options.path
    params.hostnames = [socket_path]
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    params.n_parallel = options.parallel
    params.kv_unified = True
    if context:
        params.kv_unified_per_slot = context
        params.n_ctx = shared_tokens(context, options.parallel)
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = 1
    return params


def context_of(socket_path: str, key: str) -> int:
    """The context of one request, in tokens, as the loaded server says."""
    connection = http.client.HTTPConnection("llama")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(socket_path)
    try:
        connection.request("GET", "/props", headers={"Authorization": f"Bearer {key}"})
        return int(json.load(connection.getresponse())["default_generation_settings"]["n_ctx"])
    finally:
        connection.close()


def to_wire(request: GenerationRequest) -> dict[str, Any]:
    """The request in the server's words.

    Raises:
        InvalidRequest: it has something that this engine cannot see or does not honour.
    """
    parameters = given(request.parameters)
    if unknown := [name for name in parameters if name not in WIRE_NAMES]:
        raise InvalidRequest.at(
            f"/parameters/{unknown[0]}", "llama.cpp models do not honour it here", tuple(sorted(WIRE_NAMES))
        )
    if (form := parameters.get("response_format")) and form.get("type") not in RESPONSE_FORMATS:
        raise InvalidRequest.at("/parameters/response_format/type", "is not known", RESPONSE_FORMATS)
    return {
        "messages": text_messages(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,  # calls back during the prompt too, which makes it cancellable there
        "cache_prompt": True,
        "reasoning_format": "none",  # what a model thinks aloud stays in its text
        **{WIRE_NAMES[name]: list(it) if isinstance(it, tuple) else it for name, it in parameters.items()},
    }


@define
class Reply:
    """What the server has answered so far, put together from its chunks."""

    _request: GenerationRequest
    _emit: Emit
    _text: list[str] = field(init=False, factory=list)
    _prompt_tokens: int = field(init=False, default=0)
    _finish_reason: str | None = field(init=False, default=None)
    _usage: Mapping[str, Any] = field(init=False, factory=dict)
    _error: Mapping[str, Any] | None = field(init=False, default=None)

    def add(self, chunk: Mapping[str, Any]) -> int:
        """Take in one chunk, emit its text, and return how many more tokens of context are taken."""
        self._error = self._error or chunk.get("error")
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            if text := choice["delta"].get("content"):
                self._text.append(text)
                self._emit(TextDelta(text))
        if (progress := chunk.get("prompt_progress")) and not self._prompt_tokens:
            self._prompt_tokens = progress["total"]
            return self._prompt_tokens
        return 1

    def completed(self) -> Completed:
        """The whole answer.

        Raises:
            ContextLengthExceeded, InvalidRequest, Overloaded, RunnerCrashed: the server refused or failed.
            StreamInterrupted: it stopped without saying why.
        """
        if self._error:
            raise to_error(self._error, self._request)
        if not self._finish_reason or not self._usage:
            raise StreamInterrupted
        return Completed(
            output=(TextPart("".join(self._text)),),
            finish_reason=FinishReason(self._finish_reason),
            usage=Usage(
                input_tokens=self._usage["prompt_tokens"],
                output_tokens=self._usage["completion_tokens"],
                cached_input_tokens=self._usage.get("prompt_tokens_details", {}).get("cached_tokens", 0),
                source="runner",
            ),
        )


def to_error(error: Mapping[str, Any], request: GenerationRequest) -> GatewayError:
    """The domain error for an error object of the server (its `server-common.cpp` has the types)."""
    match error:
        case {"type": "exceed_context_size_error", "n_prompt_tokens": tokens, "n_ctx": context}:
            return ContextLengthExceeded(
                detail=f"The conversation has {tokens} tokens; this model's context has room for {context}."
            )
        case {"type": "server_error", "message": "Context size has been exceeded."}:
            return crowded_out()
        case {"type": "invalid_request_error"}:
            return refused(request)
        case _:
            return RunnerCrashed(detail="The model's engine failed.")


def crowded_out() -> Overloaded:
    """The error for a request that gave way to those before it."""
    return Overloaded(
        detail="The requests at work need more context together than is kept for this model.", retry_after_s=1
    )


def refused(request: GenerationRequest) -> InvalidRequest:
    """The error for a request that the server does not begin to work on."""
    if request.parameters_as(TextParameters).response_format:
        return InvalidRequest.at(
            "/parameters/response_format", "no grammar can be made of this schema, or the model's template refuses it"
        )
    return InvalidRequest.at("/input", "the model's chat template refuses these messages, or their order")


def _discard(_: object) -> None:
    pass
