"""A context memory that requests share: who gives way when all together outgrow it.

llama.cpp ends every request at once when its unified memory is full. So the last that came gives way before that.
"""

from threading import Lock

from attrs import define, field

AT_LEAST_TOKENS = 16_384


def shared_tokens(context_tokens: int, parallel: int) -> int:
    """How much context to keep for `parallel` requests together: one full one at least, but seldom all of them full."""
    return max(context_tokens, min(context_tokens * parallel, AT_LEAST_TOKENS))


@define(eq=False)
class Share:
    """What one request takes of it, in tokens."""

    tokens: int = 0
    gives_way: bool = False


@define(eq=False)
class SharedContext:
    """The shares of the requests at work; `tokens` is all there is. Safe to use from any thread."""

    tokens: int
    reserve: int
    _shares: list[Share] = field(init=False, factory=list)
    _lock: Lock = field(init=False, factory=Lock)

    def enter(self) -> Share:
        """A share for one more request, empty as yet."""
        share = Share()
        with self._lock:
            self._shares.append(share)
        return share

    def leave(self, share: Share) -> None:
        """Give a share back."""
        with self._lock:
            self._shares.remove(share)

    def grow(self, share: Share, tokens: int) -> None:
        """Let a share grow; where that leaves less than `reserve`, as many of the youngest give way as it takes.

        A request alone never gives way: its own limit ends it.
        """
        with self._lock:
            share.tokens += tokens
            staying = [it for it in self._shares if not it.gives_way]
            while len(staying) > 1 and sum(it.tokens for it in staying) > self.tokens - self.reserve:
                staying.pop().gives_way = True  # which frees nothing where it has taken nothing yet
