"""What auditors are told of the log, each time on record."""

from collections.abc import Sequence

from attrs import define

from ..domain.access import Principal, Scope
from ..domain.audit import ReadKind
from .audit_trail import ReadRecorder
from .checkpoints import Checkpoints
from .log import Checkpoint
from .log_check import LogCheck, LogExamination


@define(kw_only=True)
class LogReads:
    """Recorded before they are answered, as all reads of an audit are."""

    checkpoints: Checkpoints
    check: LogCheck
    recorder: ReadRecorder

    async def verify(self, principal: Principal, request_id: str) -> LogExamination:
        """Check every event, every chain and every checkpoint.

        Raises:
            InsufficientScope: they are no auditor.
            NotFound: the sessions are kept without their bytes.
            GatewayError: the database or the second place cannot be read.
        """
        principal.require(Scope.AUDIT)
        await self.recorder.record(ReadKind.LOG, principal, request_id)
        return await self.check.verify()

    async def page(
        self, principal: Principal, request_id: str, *, before: int | None, limit: int
    ) -> Sequence[Checkpoint]:
        """The checkpoints smaller than `before`, or all, the largest first.

        Raises:
            InsufficientScope: they are no auditor.
        """
        principal.require(Scope.AUDIT)
        asked = {"after": before, "limit": limit}
        await self.recorder.record(ReadKind.CHECKPOINTS, principal, request_id, asked=asked)
        return await self.checkpoints.page(before=before, limit=limit)
