"""A hub of models that speaks Hugging Face's API as far as the real client and the gateway ask it, on `FileServer`.

What the answers look like was read from the client's own parsing (`huggingface_hub` 2.4: `HfApi.model_info`,
`auth_check`, `list_repo_refs`, `hf_raise_for_status`).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from urllib.parse import unquote

from attrs import define, field

from tests.download_builders import git_id
from tests.file_server import FileServer, Served

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@define
class Repository:
    """Files by name. A gated one is given to whoever has the token; a private one is seen by nobody else."""

    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    revisions: tuple[str, ...] = ("main", COMMIT)
    lfs: tuple[str, ...] = (".safetensors", ".gguf", ".bin")
    license: str = "apache-2.0"


@define
class HubServer(FileServer):
    """`repositories` by their names. Files are redirected to `content`, as to a content delivery network."""

    repositories: dict[str, Repository] = field(factory=dict)
    token: str = "hf_secret"
    content: FileServer = field(factory=FileServer)
    queries: list[str] = field(factory=list)

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        path, _, _ = first.split()[1].partition("?")
        self.queries.append(first)
        trusted = headers.get("authorization") == f"Bearer {self.token}"
        status, lines, body = self._respond(unquote(path).strip("/"), trusted)
        text = json.dumps(body).encode() if body is not None else b""
        extra = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        kind = "Content-Type: application/json\r\n" if body is not None else ""
        writer.write(
            f"HTTP/1.1 {status} X\r\n{kind}{extra}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode()
        )
        if not first.startswith("HEAD"):
            writer.write(text)
        await writer.drain()

    def _respond(self, path: str, trusted: bool) -> tuple[int, dict[str, str], object]:
        api = path.startswith("api/models/")
        name, rest = self._split(path.removeprefix("api/models/"))
        if (repository := self.repositories.get(name)) is None or (repository.private and not trusted):
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, {"error": "x"}
        if not api:
            return self._resolve(name, repository, rest, trusted)
        if rest.startswith("auth-check"):
            return (200, {}, {}) if trusted or not repository.gated else self._gated(name)
        if rest.startswith("refs"):
            branches = [{"name": it, "ref": f"refs/heads/{it}", "targetCommit": COMMIT} for it in repository.revisions]
            return 200, {}, {"branches": branches[:1], "tags": branches[2:], "converts": []}
        revision = rest.removeprefix("revision/") if rest else "main"
        if revision not in repository.revisions:
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, {"error": "x"}
        return 200, {}, self._info(name, repository)

    def _resolve(self, name: str, repository: Repository, rest: str, trusted: bool) -> tuple[int, dict, object]:
        _, revision, file = rest.split("/", 2)
        if repository.gated and not trusted:
            return self._gated(name)
        if revision not in repository.revisions or file not in repository.files:
            return 404, {"X-Error-Code": "EntryNotFound"}, None
        place = f"/{name}/{file}".replace(" ", "%20")
        self.content.files.setdefault(place, Served(repository.files[file]))
        return 302, {"Location": f"{self.content.origin}{place}?signature=abc"}, None

    def _gated(self, name: str) -> tuple[int, dict[str, str], object]:
        message = f"Access to model {name} is restricted."
        return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": message}, {"error": message}

    def _split(self, path: str) -> tuple[str, str]:
        parts = path.split("/")
        return "/".join(parts[:2]), "/".join(parts[2:])

    def _info(self, name: str, repository: Repository) -> dict:
        siblings = [_sibling(file, content, repository.lfs) for file, content in repository.files.items()]
        return {
            "id": name,
            "modelId": name,
            "sha": COMMIT,
            "gated": "manual" if repository.gated else False,
            "private": repository.private,
            "tags": ["text-generation", f"license:{repository.license}"],
            "siblings": siblings,
        }


def _sibling(name: str, content: bytes, lfs: tuple[str, ...]) -> dict:
    plain = {"rfilename": name, "size": len(content), "blobId": git_id(content)}
    if not name.endswith(lfs):
        return plain
    return plain | {"lfs": {"sha256": sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}


@asynccontextmanager
async def serving_hub(**repositories: Repository) -> AsyncIterator[HubServer]:
    """A hub whose repositories are `org/<name>`."""
    hub = HubServer(repositories={f"org/{name.replace('_', '-')}": it for name, it in repositories.items()})
    async with (
        await asyncio.start_server(hub.serve, "127.0.0.1", 0) as listener,
        await asyncio.start_server(hub.content.serve, "127.0.0.1", 0) as behind,
    ):
        hub.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        hub.content.origin = f"http://127.0.0.1:{behind.sockets[0].getsockname()[1]}"
        yield hub
