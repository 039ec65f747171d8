"""What a pipeline is told in words: the last thing that the user said, if it fits what the model reads."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from ...domain.errors import ContextLengthExceeded
from ...domain.generation import GenerationRequest, Role
from .diffusers_folder import Pipeline

_TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


def prompt_of(request: GenerationRequest) -> str:
    """The words of the last message that is the user's; pictures are not made of a conversation."""
    said = (message.text for message in reversed(request.messages) if message.role is Role.USER)
    return next(said, "").strip()


@frozen
class PromptReader:
    """Counts the tokens of prompts as the model does; of several tokenizers, that which reads most.

    `limit` is the longest prompt, marks of beginning and end included; 0: it has no tokenizer.
    """

    limit: int
    _tokenizer: Any = None

    @classmethod
    def of(cls, pipeline: Pipeline, arguments: Mapping[str, Any]) -> "PromptReader":
        """The reader for a pipeline whose call has these arguments."""
        tokenizers = [it for name in _TOKENIZERS if (it := getattr(pipeline, name, None)) is not None]
        if not tokenizers:
            return cls(0)
        widest = max(tokenizers, key=lambda it: it.model_max_length)
        limits = (int(widest.model_max_length), arguments.get("max_sequence_length"))
        return cls(min(filter(None, limits)), widest)

    def count(self, prompt: str) -> int:
        """How many tokens the prompt has.

        Raises:
            ContextLengthExceeded: more than the model reads; the pipeline would cut the rest off.
        """
        if not self.limit:
            return 0
        tokens = len(self._tokenizer(prompt, truncation=False, verbose=False).input_ids)
        if tokens > self.limit:
            raise ContextLengthExceeded(detail=f"The prompt has {tokens} tokens; this model reads {self.limit}.")
        return tokens
