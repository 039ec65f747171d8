"""When a model that could not be loaded is tried again: not at once, or every request would start a process for it."""

from time import monotonic

from attrs import define, field

from ...domain.errors import ModelLoading

LONGEST_S = 300.0


@define
class Cooldown:
    """The failures of one model in a row. The first is followed by `first_s`, each further one by twice as long."""

    first_s: float
    _failures: int = field(init=False, default=0)
    _until: float = field(init=False, default=0.0)
    _said: str = field(init=False, default="")

    def expect_over(self, model_id: str) -> None:
        """Insist that it may be tried again.

        Raises:
            ModelLoading: not yet; it says when, and why it failed.
        """
        left_s = self._until - monotonic()
        if left_s > 0:
            raise ModelLoading(
                detail=f"Model {model_id!r} could not be loaded ({self._said.rstrip('.')}); it is tried again soon.",
                retry_after_s=left_s,
            )

    def failed(self, error: Exception) -> None:
        """Note that it could not be loaded."""
        self._until = monotonic() + min(self.first_s * 2**self._failures, LONGEST_S)
        self._failures, self._said = min(self._failures + 1, 16), str(error)

    def over(self) -> None:
        """Forget the failures: it was loaded, or somebody asks for it by hand."""
        self._failures, self._until = 0, 0.0
