"""Every session's chain, followed along the log; pure, and as quick as it can be."""

from collections.abc import Mapping, Sequence

from attrs import define, field

from ...application.audit_trail import TRAIL
from ...application.log import BrokenChain, LogBatch, LogFault
from .mapper import linked_to

LoggedEvent = tuple[int, str, int, str, bytes]
"""Its place in the log, its session, version and topic, and the stored bytes."""

End = tuple[int, str]
"""The version of a session's last event, and its hash."""

_NOTHING: End = (0, "")


@define
class Chains:
    """Knows of each session how far it has come."""

    _ends: dict[str, End] = field(init=False, factory=dict)
    _position: int = field(init=False, default=0)

    def follow(self, events: Sequence[LoggedEvent]) -> LogBatch:
        """Check the next events of the log.

        Raises:
            BrokenChain: with the first that is not what was recorded.
        """
        ends, before, hashes = self._ends, self._sessions, list[bytes]()
        for _, session_id, version, topic, state in events:
            previous_hash = linked_to(session_id, version, topic, state)
            last, head = ends.get(session_id, _NOTHING)
            if previous_hash != head or version != last + 1:
                self._expect_next(session_id, version, previous_hash, position=self._position + len(hashes) + 1)
            digest = state[:32]
            hashes.append(digest)
            ends[session_id] = version, digest.hex()
        self._position += len(hashes)
        return LogBatch(places=[event[0] for event in events], hashes=hashes, begun=self._sessions - before)

    def expect(self, listed: Mapping[str, End]) -> None:
        """Compare where each session ended with what the list says; the audit trail is in no list.

        Raises:
            BrokenChain: with the first session that ends elsewhere.
        """
        ends = {session_id: end for session_id, end in self._ends.items() if session_id != TRAIL}
        if listed == ends:
            return
        for session_id in sorted(listed.keys() | ends.keys()):
            (last, head), (named, tip) = ends.get(session_id, _NOTHING), listed.get(session_id, _NOTHING)
            if last < named:
                raise _broken(f"is missing: the list has {named} events of the session", session_id, last + 1)
            if last > named:
                raise _broken(f"is not in the list, which has {named} events of the session", session_id, named + 1)
            if head != tip:
                raise _broken("is not the last event that the list names", session_id, last)

    @property
    def _sessions(self) -> int:
        return len(self._ends) - (TRAIL in self._ends)

    def _expect_next(self, session_id: str, version: int, previous_hash: str | None, *, position: int) -> None:
        last, head = self._ends.get(session_id, _NOTHING)
        if previous_hash is None:
            raise _broken("has bytes that do not give its hash", session_id, version, position)
        if version > last + 1:
            raise _broken(f"is missing: version {version} stands there", session_id, last + 1, position)
        if version != last + 1:
            raise _broken(f"stands behind version {last}", session_id, version, position)
        if previous_hash != head:
            raise _broken("does not follow the event before it", session_id, version, position)


def _broken(what: str, session_id: str, version: int, position: int | None = None) -> BrokenChain:
    return BrokenChain(LogFault(what=what, session_id=session_id, version=version, position=position))
