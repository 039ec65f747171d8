"""The requests that one model works on together: continuous batching of transformers 5.23.

Each step of the model computes the next token of every request that runs, and some tokens of the prompts that are new.
The keys and values of finished blocks of tokens stay in the cache while there is room, and a prompt that begins with
the same tokens does not compute them again. `transformers_memory.py` says how much of each there is.

What this file knows about the library beyond its documentation, and what pins its version: a cancelled request gets no
last result; `add_request` blocks on a full queue and answers None when the manager has died; results go to an event
loop or to one shared queue, unless `output_router` is another one; `logit_processor` may be any object with the methods
of `Choosing`.
"""

import itertools
import queue
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from attrs import define, field, frozen
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.continuous_batching.continuous_api import ContinuousBatchingManager, OutputRouter
from transformers.generation.continuous_batching.requests import FutureRequestState, GenerationOutput, RequestState

from ...domain.errors import Overloaded, RunnerCrashed
from .engine import Stopped
from .transformers_memory import cache_tokens, to_config
from .transformers_sampling import Sampling, choose

POLL_S = 0.02
"""How long a request waits for its next token between two looks at whether its client is still there."""


@frozen
class Step:
    """What the batch has for a request: its next token, and whether it is the last; or that it failed."""

    token: int
    last: bool
    failed: bool


@define(eq=False)
class Work:
    """One request in the batch. `reused_tokens` of its prompt were not computed again; known with the first token."""

    id: str
    sampling: Sampling
    reused_tokens: int | None = field(init=False, default=None)
    done: bool = field(init=False, default=False)
    _running: Callable[[], bool]
    _steps: "queue.SimpleQueue[Step]" = field(init=False, factory=queue.SimpleQueue)

    def tokens(self, stopped: Stopped) -> Iterator[int]:
        """Each token as it comes; ends with the last one, or early when `stopped()`.

        Raises:
            RunnerCrashed: the batch failed.
        """
        while not self.done and not stopped():
            if step := self._next():
                self.done = step.last
                yield step.token

    def take(self, output: GenerationOutput) -> None:
        """Receive a result, on the batch's thread."""
        token = -1 if output.error else output.generated_tokens[-1]
        self._steps.put(Step(token, last=output.is_finished(), failed=bool(output.error)))

    def _next(self) -> Step | None:
        running = self._running()
        try:
            step = self._steps.get(timeout=POLL_S)
        except queue.Empty:
            if running:
                return None
            step = Step(-1, last=True, failed=True)
        if step.failed:
            raise RunnerCrashed(detail="The model's engine failed; the next request starts it again.")
        return step

    def __deepcopy__(self, _: object) -> "Work":
        """The same: the manager copies its requests when it starts them anew for lack of room in the cache."""
        return self


class Batch:
    """A model at work. When its manager dies, all requests fail, and the next one starts another."""

    def __init__(self, model: PreTrainedModel, *, context_length: int, parallel: int) -> None:
        """Take the memory and start the thread; a context that does not fit is cut to what does."""
        tokens = cache_tokens(model, context_length * parallel)
        self.context_length = min(context_length, tokens)
        self._model = model
        self._config = to_config(tokens=tokens, parallel=parallel)
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._closed = False
        self._start()

    @contextmanager
    def work(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, end_tokens: Collection[int]
    ) -> Generator[Work, None, None]:
        """Work on a prompt until the block is left; what is not done by then is cancelled.

        Raises:
            Overloaded: too many requests wait.
            RunnerCrashed: the model's engine cannot take requests.
        """
        manager, results = self._running_manager()
        work = Work(str(next(self._numbers)), sampling, manager.is_running)
        results.works[work.id] = work
        try:
            _submit(manager, work, prompt, max_new_tokens=max_tokens, eos_token_id=list(end_tokens))
            yield work
        finally:
            del results.works[work.id]
            if not work.done:
                manager.cancel_request(work.id)

    def close(self) -> None:
        """Fail all requests and end the thread."""
        with self._starting:
            self._closed = True
            self._manager.stop(hard_stop=True)

    def _running_manager(self) -> tuple[ContinuousBatchingManager, "Results"]:
        with self._starting:
            if not self._closed and self._manager.background_thread_status.can_accept_new_requests() is not None:
                self._manager.stop()  # it has; this frees its memory before another takes as much
                self._start()
            return self._manager, self._results

    def _start(self) -> None:
        self._results = Results()
        self._manager = self._model.init_continuous_batching(  # type: ignore[operator]  # torch says that it may be a tensor
            generation_config=GenerationConfig(do_sample=False, eos_token_id=-1),  # type: ignore[no-untyped-call]  # has no annotations
            continuous_batching_config=copy(self._config),
        )
        self._manager.output_router = self._results
        self._manager.logit_processor = Choosing()
        self._manager.warmup()  # without graphs this only takes the memory, here instead of on the thread
        self._manager.start()


def _submit(manager: ContinuousBatchingManager, work: Work, prompt: list[int], **limits: Any) -> None:
    try:
        accepted = manager.add_request(prompt, work.id, streaming=True, work=work, **limits)
    except queue.Full as exc:
        raise Overloaded(retry_after_s=1) from exc
    if not accepted:
        raise RunnerCrashed(detail="The model's engine takes no more requests.")


class Results(OutputRouter):
    """Hands each result to the request that it belongs to; drops those of requests that nobody waits for any more."""

    def __init__(self) -> None:
        """Begin without requests."""
        super().__init__()
        self.works: dict[str, Work] = {}

    def deliver(self, output: GenerationOutput) -> None:
        """Called on the batch's thread."""
        if work := self.works.get(output.request_id):
            work.take(output)

    def deliver_batch(self, outputs: list[GenerationOutput]) -> None:
        """Called on the batch's thread."""
        for output in outputs:
            self.deliver(output)


class Choosing:
    """Stands where the manager has its logits processors: marks, for each request, the token that it is to take."""

    do_processing = True
    tensors_required = 0

    def __init__(self) -> None:
        """Begin without requests."""
        self._states: list[RequestState] = []

    def check_kwargs(self, kwargs: dict[str, Any]) -> None:
        """Everything is right: it is only `work`."""

    def fill_defaults(self, tensor: torch.Tensor) -> None:
        """There are none."""

    def prepare_tensor_args(
        self, requests_in_batch: list[FutureRequestState], arg_storage: torch.Tensor
    ) -> torch.Tensor:
        """See which requests the next step computes."""
        for part in requests_in_batch:
            work: Work = part.state.logit_processor_kwargs["work"]
            if work.reused_tokens is None:  # its first step: all before it was found in the cache
                work.reused_tokens = part.state.position_offset - part.query_length
        self._states = [part.state for part in requests_in_batch if part.has_new_token]
        return arg_storage

    def __call__(self, _: torch.Tensor, scores: torch.Tensor, __: torch.Tensor) -> torch.Tensor:
        """Scores of which the highest is the chosen token's. Rows that are nobody's may follow those of requests."""
        chosen = [self._choose(row, state) for row, state in zip(scores, self._states, strict=False)]
        marks = torch.zeros_like(scores)
        marks[range(len(chosen)), chosen] = 1
        return marks

    def _choose(self, logits: torch.Tensor, state: RequestState) -> int:
        work: Work = state.logit_processor_kwargs["work"]
        return choose(logits, work.sampling, state.initial_tokens + state.generated_tokens)
