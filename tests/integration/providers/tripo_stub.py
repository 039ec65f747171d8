"""Tripo's API v3 as its documentation and its client show it (November 2026), on a free port.

`TaskStub` says what can be set. `refusal` is what a task that is to be begun is answered with.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from pluggably.adapters.providers.tripo.provider import TripoProvider

from .openai_server import Answer, Call, OpenAIServer, openai_server
from .task_stub import TaskStub, give, origin_of

NOT_FOUND = {"code": 2001, "message": "Task not found.", "suggestion": "Check the id."}


@define
class TripoStub(TaskStub):
    refusal: tuple[dict, int] | None = None
    uploads: list[Call] = field(factory=list)

    async def answer(self, call: Call) -> None:
        method, path = call.head.split()[:2]
        if path.startswith("/files/"):
            await self.give_file(call, path.rpartition(".")[2])
        elif path == "/v3/files":
            self.uploads.append(call)
            await give(call, {"code": 0, "data": {"file_token": f"file_{len(self.uploads)}"}})
        elif method == "POST":
            await self._begin(call, path)
        elif (task := path.removeprefix("/v3/tasks/")) in self.looks:
            await give(call, {"code": 0, "data": self._task(task, call)})
        else:
            await give(call, NOT_FOUND, 404)

    async def _begin(self, call: Call, path: str) -> None:
        if self.refusal is not None:
            body, status = self.refusal
            await give(call, body, status, Retry_After="7")
        elif path == "/v3/models/texture" and call.body["input"] not in self.looks:
            await give(call, NOT_FOUND, 404)
        else:
            await give(call, {"code": 0, "data": {"task_id": self.begin()}})

    def _task(self, task: str, call: Call) -> dict:
        percent, origin = self.look(task), self.origin or origin_of(call)
        facts = {"task_id": task, "type": "text_to_model", "input": {}, "create_time": 1768888519}
        if percent is not None:
            status = "running" if percent else "queued"
            return facts | {"status": status, "progress": percent, "output": {}, "running_left_time": 100 - percent}
        if self.ends is not None:
            return facts | self.ends
        urls = {"model_url": f"{origin}/files/{task}.glb", "rendered_image_url": f"{origin}/files/{task}.webp"}
        return facts | {"status": "success", "progress": 100, "output": urls, "running_left_time": -1}


@asynccontextmanager
async def tripo(
    stub: TripoStub, answer: Answer | None = None, **settings
) -> AsyncIterator[tuple[TripoProvider, OpenAIServer]]:
    """A provider of the stub, which is looked at without pauses; and the server that it runs on.

    `answer` stands before the stub, and asks it as far as it wants to.
    """
    async with openai_server(answer or stub.answer) as server:
        ordinary = {"name": "stub", "base_url": server.base_url.removesuffix("/v1"), "api_key": "tsk_secret"}
        provider = TripoProvider(**(ordinary | {"models": ["v3*"], "poll_s": 0.001} | settings))
        try:
            yield provider, server
        finally:
            await provider.close()
