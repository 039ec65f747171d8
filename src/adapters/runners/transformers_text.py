"""Folders of safetensors on transformers 5.23, many requests at once through its continuous batching.

The model's own tokenizer and chat template are used, and of its `generation_config.json` the end tokens and the values
for sampling. Weights are kept in the type they are stored in, except that a processor computes float16 in float32.
Nothing is fetched, no pickle is opened, and no code that comes with a model is run.

A context is the model's own, or shorter where the memory for it is (see `transformers_memory.py`).

It cannot see images or call tools, and cannot force the output into a format.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from attrs import define, field
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ...domain.errors import ContextLengthExceeded, InvalidRequest
from ...domain.generation import (
    Completed,
    FinishReason,
    GenerationRequest,
    Message,
    TextDelta,
    TextPart,
    Usage,
)
from ...domain.parameters import TextParameters, given
from .engine import Emit, EngineOptions, Stopped
from .stop_strings import StopStrings
from .text_messages import text_messages
from .transformers_batch import Batch, Work
from .transformers_sampling import Sampling

DEFAULT_CONTEXT = 2_048
"""For models that say nothing of it."""

LOCAL: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}

HONOURED = frozenset({"max_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "stop", "seed"})
"""The parameters that this engine honours."""


class TransformersTextEngine:
    """One folder, loaded."""

    def __init__(self, options: EngineOptions) -> None:
        """Load the model and start its batch."""
        if options.threads:
            torch.set_num_threads(options.threads)
        self.model = load_model(options.path)
        self._tokenizer = AutoTokenizer.from_pretrained(options.path, **LOCAL)
        self._end_tokens = end_tokens(self.model, self._tokenizer)
        self._batch = Batch(
            self.model,
            context_length=context_of(self.model.config.get_text_config(), options.context_length),
            parallel=options.parallel,
        )
        self.context_length = self._batch.context_length

    def generate(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> None:
        """Answer the conversation with the model's own chat template."""
        parameters = request.parameters_as(TextParameters)
        check(parameters)
        prompt = self._encode(request.messages)
        room = self._room(prompt)
        reply = Reply(
            emit if request.stream else _discard,
            decoder=self._tokenizer.backend_tokenizer,
            end_tokens=self._end_tokens,
            stop=parameters.stop or (),
        )
        with self._batch.work(
            prompt,
            Sampling.resolve(parameters, self.model.generation_config),
            max_tokens=min(room, parameters.max_tokens or room),
            end_tokens=self._end_tokens,
        ) as work:
            for token in work.tokens(stopped):
                reply.add(token)
                if reply.stopped:
                    break
        if work.done or reply.stopped:
            emit(reply.completed(work, len(prompt)))

    def close(self) -> None:
        """Fail what still runs and free the model."""
        self._batch.close()
        del self._batch, self.model

    def _encode(self, messages: tuple[Message, ...]) -> list[int]:
        """The conversation in tokens: the same messages always give the same ones."""
        conversation = text_messages(messages)
        if not self._tokenizer.chat_template:
            raise InvalidRequest.at("/model", "has no chat template, so it cannot take part in a conversation")
        try:
            text = self._tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        except Exception as exc:  # a stranger's template may raise anything
            message = "the model's chat template refuses these messages, or their order"
            raise InvalidRequest.at("/input", message) from exc
        tokens: list[int] = self._tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        return tokens

    def _room(self, prompt: list[int]) -> int:
        """How many tokens the answer may have."""
        room = self.context_length - len(prompt)
        if room < 1:
            raise ContextLengthExceeded(
                detail=f"The conversation has {len(prompt)} tokens; this model's context has room for "
                f"{self.context_length}, the answer included."
            )
        return room


@define
class Reply:
    """The answer so far, put together from its tokens."""

    _emit: Callable[[TextDelta], None]
    _decoder: Tokenizer = field(kw_only=True)
    _end_tokens: Collection[int] = field(kw_only=True)
    _stop: StopStrings = field(kw_only=True, converter=StopStrings)
    _stream: DecodeStream = field(init=False, factory=lambda: DecodeStream(skip_special_tokens=True))
    _text: list[str] = field(init=False, factory=list)
    _tokens: int = field(init=False, default=0)
    _ended: bool = field(init=False, default=False)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found: there is nothing more to say."""
        return self._stop.found

    def add(self, token: int) -> None:
        """Take in one token, and emit the text that is certain with it; a character may need several."""
        self._tokens += 1
        self._ended = token in self._end_tokens
        if not self._ended:
            self._say(self._stop.add(self._stream.step(self._decoder, token) or ""))

    def completed(self, work: Work, input_tokens: int) -> Completed:
        """The whole answer, once there are no more tokens."""
        self._say(self._stop.rest())
        return Completed(
            output=(TextPart("".join(self._text)),),
            finish_reason=FinishReason.STOP if self._ended or self.stopped else FinishReason.LENGTH,
            usage=Usage(
                input_tokens=input_tokens,
                output_tokens=self._tokens,
                cached_input_tokens=work.reused_tokens or 0,
                source="runner",
            ),
            seed=work.sampling.seed if work.sampling.temperature else None,
        )

    def _say(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._emit(TextDelta(text))


def load_model(path: str) -> PreTrainedModel:
    """The model in the folder, on the accelerator if there is one."""
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    stored = AutoConfig.from_pretrained(path, **LOCAL).dtype
    dtype = torch.float32 if stored == torch.float16 and device.type == "cpu" else "auto"
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, device_map=device, use_safetensors=True, **LOCAL
    )
    return model


def context_of(config: PreTrainedConfig, asked: int | None) -> int:
    """The context of one request that is wanted, in tokens: what is asked for, within what the model was made for."""
    own = getattr(config, "max_position_embeddings", None)
    return min(filter(None, (own, asked)), default=DEFAULT_CONTEXT)


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [tokenizer.eos_token_id if ends is None else ends]
    return frozenset(end for end in ends if end is not None)


def check(parameters: TextParameters) -> None:
    """Refuse what this engine does not honour.

    Raises:
        InvalidRequest: there is something.
    """
    if unknown := given(parameters).keys() - HONOURED:
        raise InvalidRequest.at(
            f"/parameters/{min(unknown)}", "models on transformers do not honour it here", tuple(sorted(HONOURED))
        )
    if "" in (parameters.stop or ()):
        raise InvalidRequest.at("/parameters/stop", "a stop string must not be empty")


def _discard(_: object) -> None:
    pass
