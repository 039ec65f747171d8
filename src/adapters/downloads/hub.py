"""Models of a hub that speaks Hugging Face's API: `hf:org/name`, or `hf:org/name@revision`.

`huggingface_hub` (2.4) asks what there is: files, sizes, checksums, and which commit a revision is. It is not asked to
fetch anything: it goes on with no download that a process left behind, and cannot be stopped. A file is fetched by the
address of the commit, `<endpoint>/<repository>/resolve/<commit>/<file>`, which redirects to where the content is; the
token goes to the endpoint alone.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...application.download_ports import Listing, Opened
from ...domain.discovery import ModelFileName, is_sidecar
from ...domain.download import DownloadFile
from ...domain.errors import GatewayError, InvalidRequest, NotFound, SourceForbidden, SourceUnreachable, UnsafeFile
from ...domain.file_names import PICKLES, WEIGHTS, chosen
from .ranges import HttpFiles

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

_ANSWER_S = 20.0
_TOKEN_SETTING = "downloads.hub_token_env"  # noqa: S105 - where its name is set
_GGUF = ".gguf"
_REFERENCE = re.compile(
    r"(?P<repository>[A-Za-z0-9][A-Za-z0-9._-]{0,95}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?)"
    r"(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]{0,254}))?"
)


class HubSource:
    """A `DownloadSource`."""

    scheme = "hf"

    def __init__(self, files: HttpFiles, *, endpoint: str, token: str | None = None) -> None:
        """Nothing is asked yet; without a token only what everybody is given can be had."""
        self._files = files
        self._endpoint = endpoint.rstrip("/")
        self._token = token

    async def list(self, reference: str, include: Sequence[str]) -> Listing:
        """The files of the repository at that revision."""
        if (parts := _REFERENCE.fullmatch(reference)) is None or ".." in reference:
            raise InvalidRequest.at("/source", "after `hf:` there must be org/name or org/name@revision")
        repository, revision = parts["repository"], parts["revision"]
        info = await asyncio.to_thread(self._ask, repository, revision)
        there = {it.rfilename: it for it in info.siblings or ()}
        names = _wanted(repository, list(there), include)
        files = tuple(self._file(repository, str(info.sha), there[name]) for name in names)
        return Listing(
            name=repository.rpartition("/")[2],
            pinned=f"hf:{repository}@{info.sha}",
            files=files,
            revision=info.sha,
            license=_license(info),
        )

    @asynccontextmanager
    async def open(self, file: DownloadFile, start: int, stop: int) -> AsyncIterator[Opened]:
        """A part of a file; of a commit nothing ever changes, so there is no tag."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = f"{self._endpoint}/{file.address}"
        try:
            async with self._files.open(url, start, stop, None, headers) as it:
                yield Opened(start=it.start, size_bytes=it.size_bytes, tag=None, chunks=it.chunks)
        except SourceForbidden as exc:
            raise self._forbidden(file.address.partition("/resolve/")[0]) from exc

    async def close(self) -> None:
        """Nothing is held open."""

    def _ask(self, repository: str, revision: str | None) -> "ModelInfo":
        try:
            from huggingface_hub import HfApi
            from huggingface_hub import errors as hub
        except ImportError as exc:
            raise GatewayError(detail="hf: needs huggingface_hub: pip install 'pluggably[hub]'.") from exc
        api = HfApi(endpoint=self._endpoint, token=self._token or False)
        try:
            info = api.model_info(repository, revision=revision, files_metadata=True, timeout=_ANSWER_S)
            if info.gated and self._token:
                api.auth_check(repository)
        except hub.GatedRepoError as exc:
            raise self._forbidden(repository) from exc
        except hub.RevisionNotFoundError as exc:
            raise NotFound(detail=f"{repository!r} has no revision {revision!r}.{_refs(api, repository)}") from exc
        except hub.RepositoryNotFoundError as exc:
            raise NotFound(
                detail=f"The hub has no model {repository!r}, or it is private: then name the variable that holds a "
                f"token that may read it in {_TOKEN_SETTING}."
            ) from exc
        except (hub.HfHubHTTPError, hub.OfflineModeIsEnabled, OSError) as exc:
            raise SourceUnreachable(
                detail=f"The hub at {self._endpoint} could not be reached, or did not answer; try again later."
            ) from exc
        except Exception as exc:  # the library's own HTTP client changes from version to version, and its errors too
            raise SourceUnreachable(
                detail=f"The hub at {self._endpoint} could not be reached, or answered nonsense. Check the "
                "network, or name a mirror in downloads.hub_endpoint."
            ) from exc
        if info.gated and not self._token:
            raise self._forbidden(repository)
        return info

    def _file(self, repository: str, commit: str, it: "RepoSibling") -> DownloadFile:
        """A file; large ones are promised by their sha256, the others by the id that git gives them."""
        digest = f"sha256:{it.lfs.sha256}" if it.lfs else f"git:{it.blob_id}" if it.blob_id else None
        size = it.lfs.size if it.lfs else it.size
        if size is None:
            raise SourceUnreachable(detail="The hub does not say how large the files are.")
        address = f"{repository}/resolve/{commit}/{quote(it.rfilename)}"
        return DownloadFile(name=it.rfilename, size_bytes=size, address=address, digest=digest)

    def _forbidden(self, repository: str) -> SourceForbidden:
        page = f"{self._endpoint}/{repository}"
        return SourceForbidden(
            detail=f"{repository!r} is only given to those who have accepted its licence: do so at {page}, then name "
            f"the environment variable that holds your token in {_TOKEN_SETTING}."
        )


def _wanted(repository: str, there: Sequence[str], include: Sequence[str]) -> list[str]:
    """The files to fetch.

    Raises:
        NotFound, UnsafeFile, InvalidRequest: there is nothing that could be, or too much.
    """
    names = chosen(there, include)
    if not names and include:
        close = [it for pattern in include for it in get_close_matches(pattern, there, n=3, cutoff=0.3)]
        raise NotFound(
            detail=f"No file of {repository!r} matches. There is {', '.join((close or list(there))[:8]) or 'none'}."
        )
    if include:
        return names
    if not any(name.lower().endswith(WEIGHTS) for name in names):
        if pickles := [name for name in there if name.lower().endswith(PICKLES)]:
            raise UnsafeFile(
                detail=f"{repository!r} has its weights only in a format that runs code when it is loaded "
                f"({pickles[0]}). Look for one with safetensors or GGUF files."
            )
        raise NotFound(detail=f"{repository!r} has no safetensors or GGUF files.")
    variants = _variants(names)
    if len(variants) > 1:
        labels = tuple(f"*{it}*" for it in variants)
        raise InvalidRequest.at(
            "/include",
            f"{repository!r} has {len(variants)} GGUF models: choose one, such as {labels[0]!r}",
            labels[:40],
        )
    return names


def _variants(names: Sequence[str]) -> list[str]:
    """What tells the GGUF models of a repository apart, the shards of one taken together."""
    stems = [name.rpartition("/")[2][: -len(_GGUF)] for name in names if name.lower().endswith(_GGUF)]
    parsed = [ModelFileName.parse(stem) for stem in stems if not is_sidecar(stem)]
    series = {it.series: it.quantization for it in parsed}
    labels = [label for label in series.values() if label]
    return sorted(labels if len(set(labels)) == len(series) else series)


def _license(info: "ModelInfo") -> str | None:
    tags = [tag.partition(":")[2] for tag in info.tags or () if tag.startswith("license:")]
    return tags[0] if tags else None


def _refs(api: "HfApi", repository: str) -> str:
    """Which revisions there are, if the hub says so."""
    try:
        refs = api.list_repo_refs(repository)
    except Exception:  # this is only a hint
        return ""
    names = [it.name for it in (*refs.branches, *refs.tags)][:8]
    return f" There is {', '.join(names)}." if names else ""
