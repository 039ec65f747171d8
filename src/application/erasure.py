"""Erase a session, here and where backends keep something of it."""

from collections.abc import Mapping

from attrs import define, evolve

from ..domain.errors import GatewayError, NotFound
from ..domain.session import HeldState, Session, SessionErased
from .artifacts import Artifacts
from .job_ports import JobStore
from .ports import Erasure, Generator, Provenance, SessionStore
from .turns import to_its_end


@define(kw_only=True)
class Eraser:
    """Carries out an erasure that was decided. `generators` are the backends by provider name."""

    store: SessionStore
    artifacts: Artifacts
    jobs: JobStore
    generators: Mapping[str, Generator]

    async def erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        """Store the session's last event and destroy its content; whoever is cancelled meanwhile waits for the end.

        The backends forget first: once the session is erased, nobody knows any more what they keep.

        Raises:
            VersionConflict, SessionErased, GatewayError: as `SessionStore.erase` says.
        """
        return await to_its_end(self._erase(session, erased, provenance))

    async def _erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        kept = [held for held in await self.store.states(session.id) if held.backend]
        left = 0
        for held in kept:
            try:
                await self._forget(held)
            except GatewayError:  # told in the receipt; the rest is erased all the same
                left += 1
        erasure = await self.store.erase(session, erased, provenance)
        files = await self.artifacts.forget_session(session.id)
        jobs = await self.jobs.forget_session(session.id)
        return evolve(
            erasure,
            backend_states=len(kept) - left,
            backend_states_left=left,
            artifacts=files.deleted,
            artifacts_left=files.left,
            jobs=jobs,
        )

    async def _forget(self, held: HeldState) -> None:
        generator = self.generators.get(held.state.provider)
        if generator is None or held.backend is None:
            raise NotFound.of("provider", held.state.provider)
        await generator.forget(held.backend)
