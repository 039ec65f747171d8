"""How far a diffusion pipeline has come, told step by step, and the end of its work once nobody waits for it.

Every pipeline of diffusers 0.42 counts its steps with its method `progress_bar`, as a context manager or around its
timesteps; not all have a callback. So a `Steps.bar` takes that method's place, on a pipeline of the request's own.
`pipeline._interrupt` is no way out: what is half made comes back as if it were whole.
"""

from collections.abc import Callable, Iterable, Iterator
from math import ceil
from time import monotonic
from typing import Any

from attrs import define, field

from ...domain.generation import Progress
from .engine import Emit, Stopped

Preview = Callable[[int], bytes | None]
"""A small PNG of what there is after that many steps, if one is wanted."""


class Abandoned(Exception):
    """Nobody waits for the work any more."""


def no_preview(_: int) -> None:
    """Nothing to see."""


@define(eq=False)
class Steps:
    """The steps of one request, whose work has `parts` of equally many steps; a part begins with a new `bar`."""

    _emit: Emit
    _stopped: Stopped
    _parts: int = 1
    _preview: Preview = no_preview
    _part: int = field(init=False, default=-1)
    _told: int = field(init=False, default=0)
    _begun: float = field(init=False, factory=monotonic)

    def bar(self, iterable: Iterable[Any] | None = None, total: int | None = None) -> "Bar":
        """What a pipeline calls in place of its own `progress_bar`; `total` steps may have other many ticks."""
        ticks = None if iterable is None else list(iterable)
        self._part += 1
        return Bar(self, ticks, total or len(ticks or ()))

    def go_on(self) -> None:
        """Do nothing while somebody waits.

        Raises:
            Abandoned: nobody does.
        """
        if self._stopped():
            raise Abandoned

    def reach(self, step: int, steps: int) -> None:
        """Tell that `step` of the part's `steps` are done, unless it is told already.

        Raises:
            Abandoned: nobody waits any more.
        """
        self.go_on()
        done, of = self._part * steps + min(step, steps), self._parts * steps
        if done > self._told:
            self._told = done
            eta_s = (monotonic() - self._begun) / done * (of - done)
            self._emit(Progress(done, of, eta_s, self._preview(done)))


@define(eq=False)
class Bar:
    """The progress bar of a pipeline, as far as pipelines use one."""

    _steps: Steps
    _ticks: list[Any] | None
    _total: int
    _done: int = field(init=False, default=0)

    def __enter__(self) -> "Bar":
        self._steps.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        self._steps.go_on()
        for tick in self._ticks or ():
            yield tick
            self.update()

    def update(self, ticks: int = 1) -> None:
        """Some more are done."""
        self._done += ticks
        ticks_a_step = len(self._ticks) / self._total if self._ticks else 1
        self._steps.reach(ceil(self._done / ticks_a_step), self._total)
