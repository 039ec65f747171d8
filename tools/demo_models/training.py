"""What all trainings here do alike: begin from a seed on one thread, and go down a loss.

With the same versions on the same kind of processor two runs give the same bytes.
"""

from collections.abc import Iterable
from random import Random

import torch
from torch import Tensor, nn

SEED = 0
TOLD_EVERY = 100  # steps


def begin() -> Random:
    """Make torch repeatable, and return the generator of everything that torch does not draw."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    return Random(SEED)


class Descent:
    """AdamW under a one-cycle learning rate, with gradients of at most length 1; says from time to time how it goes."""

    def __init__(
        self, name: str, weights: Iterable[nn.Parameter], *, steps: int, peak: float, rise: float, decay: float = 0.0
    ) -> None:
        """Reach the learning rate `peak` after the share `rise` of `steps`; `decay` is the weight decay."""
        self._name, self._steps, self._taken = name, steps, 0
        self._weights = list(weights)
        self._optimizer = torch.optim.AdamW(self._weights, peak, weight_decay=decay)
        self._rate = torch.optim.lr_scheduler.OneCycleLR(self._optimizer, peak, total_steps=steps, pct_start=rise)

    def step(self, loss: Tensor) -> None:
        """Move the weights one step down."""
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._rate.step()
        self._taken += 1
        if self._taken % TOLD_EVERY == 0:
            print(f"{self._name}: step {self._taken} of {self._steps}, loss {loss.item():.4f}", flush=True)


class Average:
    """A running average of weights, which draws better than the last step's."""

    def __init__(self, weights: Iterable[nn.Parameter]) -> None:
        self._weights = list(weights)
        self._mean = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def take(self, step: int) -> None:
        """Take in the weights after `step`; the first steps are soon forgotten."""
        keep = min(0.995, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, self._weights, 1 - keep)

    @torch.no_grad()
    def settle(self) -> None:
        """Set the weights to their average."""
        torch._foreach_copy_(self._weights, self._mean)
