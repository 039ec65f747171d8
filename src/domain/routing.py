"""Which of several models answers, how often is tried again, and when a model is left in peace: the rules alone.

Times are seconds of any clock that only goes forward.
"""

from collections.abc import Mapping

from attrs import evolve, field, frozen

from .errors import GatewayError, ProviderRateLimited

ROUTE = "route"
"""The provider name of the models that stand for others."""

MOST_DOUBLINGS = 4


@frozen(kw_only=True)
class Route:
    """A model that stands for others: those of the first tier, if none of them can answer those of the next.

    Within a tier all are equals, but for their `weights` (1 where there is none): twice the weight, twice the work.
    If the one that is asked has brought nothing for `hedge_after_s`, a second one is asked too.
    """

    name: str
    tiers: tuple[tuple[str, ...], ...]
    weights: Mapping[str, float] = field(factory=dict)
    hedge_after_s: float | None = None


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how long one request is tried, over all models: nothing below this tries anything again.

    `attempts` in all, the first output of the last within `deadline_s` of the request. A model that says when it can be
    asked again is waited for if that is within `patience_s`. Pauses double from `first_pause_s` to `longest_pause_s`.
    """

    attempts: int = 3
    deadline_s: float = 600.0
    patience_s: float = 10.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 8.0

    def pause_s(self, retries: int, chance: float) -> float:
        """How long to wait before one more retry; `chance` from 0 to 1 is how much of the whole (full jitter).

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return chance * min(self.longest_pause_s, self.first_pause_s * 2.0**retries)


@frozen(kw_only=True)
class BreakerPolicy:
    """After `failures` in a row a model is asked once in `cooldown_s` only, which doubles as that fails too."""

    failures: int = 5
    cooldown_s: float = 30.0


@frozen(kw_only=True)
class Health:
    """What is known of a model from its last answers: how many failed in a row, and when it can be asked again.

    Its provider may have said so itself (`Retry-After`); `limited`: because too much was asked.
    """

    failures: int = 0
    rests_until: float = float("-inf")
    limited: bool = False

    def asked(self, policy: BreakerPolicy, at: float) -> "Health":
        """As it is asked: of a model that keeps failing, this is the one question until the next cooldown is over."""
        return self._resting(policy, at) if self.failures >= policy.failures else self

    def failed(self, policy: BreakerPolicy, error: GatewayError, at: float) -> "Health":
        """After a failure that tells something of its health; see `tells_of_health`."""
        if isinstance(error, ProviderRateLimited):
            return evolve(self, rests_until=max(self.rests_until, at + (error.retry_after_s or 0)), limited=True)
        worse = evolve(self, failures=self.failures + 1, limited=False)
        if error.retry_after_s is not None:
            worse = evolve(worse, rests_until=max(self.rests_until, at + error.retry_after_s))
        return worse._resting(policy, at) if worse.failures >= policy.failures else worse

    def _resting(self, policy: BreakerPolicy, at: float) -> "Health":
        doublings = min(self.failures - policy.failures, MOST_DOUBLINGS)
        return evolve(self, rests_until=max(self.rests_until, at + policy.cooldown_s * 2.0**doublings))


def tells_of_health(error: GatewayError) -> bool:
    """Whether an error is the provider's own, which the next request would meet as well."""
    return error.source == "provider" and error.falls_back


def may_be_tried_again(error: GatewayError) -> bool:
    """Whether the same model may be asked the same once more.

    Only a provider: what runs here fails again for the same reason, after loading the model once more.
    """
    return error.source == "provider" and error.retryable and error.falls_back
