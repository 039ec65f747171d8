"""Meshy's API as its documentation shows it (November 2026), on a free port; `TaskStub` says what can be set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define

from pluggably.adapters.providers.meshy.provider import MeshyProvider

from .openai_server import Answer, Call, OpenAIServer, openai_server
from .task_stub import TaskStub, give, origin_of


@define
class MeshyStub(TaskStub):
    async def answer(self, call: Call) -> None:
        method, path = call.head.split()[:2]
        if path.startswith("/files/"):
            await self.give_file(call, path.rpartition(".")[2])
        elif method == "POST":
            await self._begin(call)
        elif (task := path.rpartition("/")[2]) not in self.looks:
            await give(call, {"message": "Task not found"}, 404)
        elif method == "DELETE":
            self.delete(task)
            await give(call, {})
        else:
            await give(call, self._task(task, call))

    async def _begin(self, call: Call) -> None:
        if call.body.get("mode") == "refine" and call.body["preview_task_id"] not in self.looks:
            await give(call, {"message": "Preview task not found"}, 404)
        else:
            await give(call, {"result": self.begin()}, 202)

    def _task(self, task: str, call: Call) -> dict:
        percent, origin = self.look(task), self.origin or origin_of(call)
        facts = {"id": task, "type": "text-to-3d-preview", "created_at": 1692771650657, "preceding_tasks": 0}
        if percent is not None:
            status = "IN_PROGRESS" if percent else "PENDING"
            return facts | {"status": status, "progress": percent, "model_urls": {"glb": "", "obj": ""}}
        if self.ends is not None:
            return facts | self.ends
        urls = {kind: f"{origin}/files/{task}.{kind}" for kind in self.files} | {"mtl": ""}
        error = {"message": ""}
        return facts | {"status": "SUCCEEDED", "progress": 100, "model_urls": urls, "task_error": error}


@asynccontextmanager
async def meshy(
    stub: MeshyStub, answer: Answer | None = None, **settings
) -> AsyncIterator[tuple[MeshyProvider, OpenAIServer]]:
    """A provider of the stub, which is looked at without pauses; and the server that it runs on.

    `answer` stands before the stub, and asks it as far as it wants to.
    """
    async with openai_server(answer or stub.answer) as server:
        ordinary = {"name": "stub", "base_url": server.base_url.removesuffix("/v1"), "api_key": "msy_secret"}
        provider = MeshyProvider(**(ordinary | {"models": ["meshy-*"], "poll_s": 0.001} | settings))
        try:
            yield provider, server
        finally:
            await provider.close()
