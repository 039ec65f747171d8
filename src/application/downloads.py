"""Downloads as their clients see them: ask for one, look at it, follow it, let it wait, go on, or end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import NoReturn

from attrs import define, evolve, field, frozen

from ..domain import download as rules
from ..domain.access import Principal, Scope
from ..domain.discovery import gguf_models
from ..domain.download import ENDED, DownloadFile, DownloadJob, DownloadStatus, WantedModel, key_of
from ..domain.errors import GatewayError, InvalidRequest, NotFound, VersionConflict
from ..domain.file_names import distinct, file_path, folder_name, refuse_pickles
from .download_ports import Arrivals, DownloadPlace, DownloadStore, Listing, Sources, StorageBudget
from .download_worker import DownloadWorker
from .ports import Clock, IdFactory, ModelFetcher

TRIES = 10
"""How often a change is tried that others get in the way of; they do so twice a second at most."""

POLL_S = 0.5
"""How often is looked whether a download has changed that another process works on."""


@frozen(kw_only=True)
class DownloadRequest:
    """What a client asks for: `sha256` has what it expects of files, by their names, in hex."""

    source: str
    include: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(factory=dict)
    model: WantedModel | None = None


@define(kw_only=True)
class Downloads:
    """The use cases. `fetchers` bring what comes as a whole, such as a package; `sources` what comes file by file."""

    store: DownloadStore
    sources: Sources
    fetchers: Sequence[ModelFetcher]
    place: DownloadPlace
    budget: StorageBudget
    arrivals: Arrivals
    worker: DownloadWorker
    clock: Clock
    new_id: IdFactory

    async def create(self, request: DownloadRequest, principal: Principal) -> DownloadJob:
        """Look at what the source has, whether there is room for it, and begin.

        What is on its way already is not fetched twice: that download is returned, and goes on if it was paused.

        Raises:
            InsufficientScope, InvalidRequest, NotFound, UnsafeFile, SourceFailed, UrlNotAllowed: as they say.
            NameTaken: it shall be called as another model is.
            InsufficientStorage: there is no room for it; nothing was fetched.
        """
        principal.require(Scope.MODELS_ADMIN)
        job = await self._planned(request, principal)
        if (known := await self.store.of_key(job.key)) is None:
            known = await self._added(job)
        if known.status is DownloadStatus.PAUSED:
            return await self.resume(known.id, principal)
        self.worker.wake()
        return known

    async def get(self, job_id: str, principal: Principal) -> DownloadJob:
        """A download as it is.

        Raises:
            NotFound: there is none of that id.
        """
        principal.require(Scope.MODELS_READ)
        if (job := await self.store.get(job_id)) is None:
            raise NotFound.of("download", job_id)
        return job

    async def list(self, principal: Principal, *, limit: int, before: str | None = None) -> Sequence[DownloadJob]:
        """Downloads, the newest first."""
        principal.require(Scope.MODELS_READ)
        return await self.store.list(limit=limit, before=before)

    async def pause(self, job_id: str, principal: Principal) -> DownloadJob:
        """Let it wait; what is here is kept.

        Raises:
            NotFound, DownloadStateConflict: as they say.
        """
        job = await self._change(job_id, principal, lambda it: rules.pause(it, at=self.clock()))
        await self.worker.stop(job_id)
        await self.budget.release(job.key)
        return job

    async def resume(self, job_id: str, principal: Principal) -> DownloadJob:
        """Go on from what is here; also with one that failed.

        Raises:
            NotFound, DownloadStateConflict: as they say.
            InsufficientStorage: there is no room for the rest.
        """
        job = await self.get(job_id, principal)
        other = await self.store.of_key(job.key)
        if other and other.id != job_id:
            return other
        resumed = rules.resume(job, at=self.clock())
        if resumed is not job:
            await self.budget.reserve(job.key, job.bytes_left)
        job = await self._change(job_id, principal, lambda it: rules.resume(it, at=self.clock()))
        self.worker.wake()
        return job

    async def cancel(self, job_id: str, principal: Principal) -> DownloadJob:
        """End it, and remove what came of it.

        Raises:
            NotFound, DownloadStateConflict: as they say.
        """
        job = await self._change(job_id, principal, lambda it: rules.cancel(it, at=self.clock()))
        await self._let_go(job)
        return job

    async def delete(self, job_id: str, principal: Principal) -> None:
        """Forget it, and remove what came of it unless it is complete: then that is a model.

        Raises:
            NotFound: there is none of that id.
        """
        job = await self.get(job_id, principal)
        if job.status not in ENDED:
            job = await self.cancel(job_id, principal)
        principal.require(Scope.MODELS_ADMIN)
        await self._let_go(job)
        await self.store.delete(job_id)

    async def follow(
        self, job_id: str, principal: Principal, *, after: int, idle_s: float
    ) -> AsyncGenerator[DownloadJob | None, None]:
        """A download each time that it has changed since version `after`, up to its end.

        Changes in between are passed over. None is yielded whenever nothing happened for `idle_s` seconds.

        Raises:
            NotFound: there is none of that id.
        """
        job = await self.get(job_id, principal)
        return self._changes(job, after, idle_s)

    async def _changes(self, job: DownloadJob, after: int, idle_s: float) -> AsyncGenerator[DownloadJob | None, None]:
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            if job.version > after:
                yield job
                after, told = job.version, loop.time()
            if job.status in ENDED:
                return
            if loop.time() - told >= idle_s:
                yield None
                told = loop.time()
            await self.worker.changed(job.id, min(POLL_S, idle_s))
            if (now := await self.store.get(job.id)) is None:
                raise NotFound.of("download", job.id)
            job = now

    async def _added(self, job: DownloadJob) -> DownloadJob:
        folder = await self.place.find(job)
        if job.wanted and job.wanted.id:
            whole = any(job.source.startswith(f"{it.scheme}:") for it in self.fetchers)
            await self.arrivals.expect_free(job.wanted, folder, job.source if whole else None)
        if folder is None:
            await self.budget.reserve(job.key, job.bytes_left)
        try:
            return await self.store.add(job)
        except GatewayError:
            await self.budget.release(job.key)
            raise

    async def _change(
        self, job_id: str, principal: Principal, changed: Callable[[DownloadJob], DownloadJob]
    ) -> DownloadJob:
        principal.require(Scope.MODELS_ADMIN)
        for _ in range(TRIES):
            job = await self.get(job_id, principal)
            if (wanted := changed(job)) is job:
                return job
            if saved := await self.store.save(wanted):
                self.worker.tell(job_id)
                return saved
        raise VersionConflict(detail="The download changes all the time; try again.")

    async def _let_go(self, job: DownloadJob) -> None:
        await self.worker.stop(job.id)
        await self.budget.release(job.key)
        if await self.store.of_key(job.key) is None:
            await self.place.discard(job.key)

    async def _planned(self, request: DownloadRequest, principal: Principal) -> DownloadJob:
        scheme, _, reference = request.source.partition(":")
        if any(fetcher.scheme == scheme for fetcher in self.fetchers):
            if request.include or request.sha256:
                raise InvalidRequest.at("/include", f"a {scheme}: source comes as a whole, with its own checksums")
            listing = Listing(name=reference, pinned=request.source, files=())
        elif source := self.sources.get(scheme):
            listing = await source.list(reference, request.include)
        else:
            self._refuse(request.source)
        files = _checked(listing, request)
        at = self.clock()
        wanted_name = request.model.id if request.model else None
        return DownloadJob(
            id=self.new_id("dl"),
            owner=principal.id,
            source=request.source,
            key=key_of(listing.pinned, files),
            folder=folder_name(wanted_name or listing.name),
            files=files,
            created_at=at,
            updated_at=at,
            revision=listing.revision,
            license=listing.license,
            wanted=request.model,
        )

    def _refuse(self, source: str) -> NoReturn:
        known = tuple(f"{it}:" for it in (*self.sources, *(fetcher.scheme for fetcher in self.fetchers)))
        raise InvalidRequest.at(
            "/source", f"{source[:200]!r} is not a source: it must begin with one of {', '.join(known)}", known
        )


def _checked(listing: Listing, request: DownloadRequest) -> tuple[DownloadFile, ...]:
    """The files, under names that can be used, with what the client expects of them."""
    files = tuple(evolve(it, name=file_path(it.name)) for it in listing.files)
    names = [it.name for it in files]
    distinct(names)
    refuse_pickles(names)
    if request.model and len(models := gguf_models(names)) > 1:
        raise InvalidRequest.at(
            "/model", f"is said of one model, and there are {len(models)} of them: `include` one of these", models[:20]
        )
    expected = {name: hexes.lower() for name, hexes in request.sha256.items()}
    for name in expected:
        if name not in names:
            raise InvalidRequest.at("/sha256", f"there is no file {name!r} among those to fetch", tuple(names[:20]))
    return tuple(evolve(it, digest=f"sha256:{expected[it.name]}") if it.name in expected else it for it in files)
