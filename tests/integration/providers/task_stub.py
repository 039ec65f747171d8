"""What the stubs of task services have in common: tasks that go on a little with each look."""

import asyncio
import json
from itertools import count

from attrs import define, field

from ...meshes import glb, obj
from .openai_server import Call

PERCENTS = (0, 10, 35, 35, 60, 99)
"""What a task says of itself, look after look, before it is done."""


async def give(call: Call, body: dict, status: int = 200, **headers: str) -> None:
    await call.answer(json.dumps(body).encode(), status, **headers)


def origin_of(call: Call) -> str:
    return "http://" + call.head.lower().partition("\r\nhost: ")[2].partition("\r\n")[0]


@define
class TaskStub:
    """Tasks by their ids, each with the number of looks that were taken at it.

    `ends` is what a task says after its percents; `files` what is at the URLs that it names, which are at `origin`, or
    at the stub itself. `refused` answers file requests, by their number; `deleted` has the tasks that are gone.
    """

    percents: tuple[int, ...] = PERCENTS
    ends: dict | None = None
    files: dict[str, bytes] = field(factory=lambda: {"glb": glb(), "obj": obj()})
    origin: str | None = None
    refused: dict[int, int] = field(factory=dict)
    looks: dict[str, int] = field(factory=dict)
    deleted: list[str] = field(factory=list)
    looked: asyncio.Event = field(factory=asyncio.Event)
    forgotten: asyncio.Event = field(factory=asyncio.Event)
    _numbers: count = field(init=False, factory=lambda: count(1))
    _asked: count = field(init=False, factory=count)

    def begin(self) -> str:
        task = f"018a210d-8ba4-705c-b111-{next(self._numbers):012d}"
        self.looks[task] = 0
        return task

    def look(self, task: str) -> int | None:
        """How far the task is; None once it is done."""
        number = self.looks[task]
        self.looks[task] += 1
        if number >= 2:
            self.looked.set()
        return self.percents[number] if number < len(self.percents) else None

    def delete(self, task: str) -> None:
        self.deleted.append(task)
        self.looks.pop(task, None)
        self.forgotten.set()

    async def give_file(self, call: Call, kind: str) -> None:
        if status := self.refused.get(next(self._asked)):
            await call.answer(b"<Error>", status, "application/xml")
        else:
            await call.answer(self.files[kind], media_type="application/octet-stream")
