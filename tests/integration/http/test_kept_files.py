"""What was kept for an answer or a turn that there is not in the end goes again; what may be in one stays."""

import asyncio
import base64
from datetime import timedelta

import pytest

from pluggably.adapters.memory.artifacts import MemoryArtifactFiles
from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.application.command import GenerateCommand
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.artifact import Origin
from pluggably.domain.errors import InsufficientStorage, RunnerCrashed, StoreUnavailable
from pluggably.domain.generation import Role, text_message
from pluggably.domain.model import Modality
from pluggably.domain.parameters import ImageParameters
from pluggably.domain.session import TurnCompleted
from tests.artifact_world import PNG, ArtifactWorld

from .studio import Studio
from .world import client_of

IMAGE = "/v1/generations/image"
A_DAY = timedelta(days=1)
_DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
A_PICTURE = [{"role": "user", "content": [{"type": "text", "text": "A hat"}, {"type": "image", "url": _DATA}]}]


class Files(MemoryArtifactFiles):
    """Keeps `room` files, and gives none out if it is `unreadable`; sets `asked`, and waits for `gate`, to keep one."""

    def __init__(self) -> None:
        super().__init__()
        self.room, self.unreadable, self.asked, self.gate = 100, False, asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def put(self, path, content):
        self.asked.set()
        await self.gate.wait()
        self.room -= 1
        if self.room < 0:
            raise InsufficientStorage
        await super().put(path, content)

    async def read(self, content, start, length):
        if self.unreadable:
            raise StoreUnavailable
        async for piece in super().read(content, start, length):
            yield piece


class Store(MemorySessionStore):
    """Stores no answers if it is `refusing`; stores one without saying so if it is `silent`, and then is away."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing = self.silent = self.away = False

    async def append(self, session, events, provenance, **more):
        answers = any(isinstance(event, TurnCompleted) for event in events)
        if self.away or (self.refusing and answers):
            raise StoreUnavailable
        appended = await super().append(session, events, provenance, **more)
        self.away = self.silent and answers
        if self.away:
            raise StoreUnavailable
        return appended


class Kept(ArtifactWorld):
    """With files that can fail."""

    def __init__(self, folder) -> None:
        super().__init__(folder, keep_for=A_DAY)
        self.files = self.artifacts.files = self.links.files = Files()

    async def origins(self) -> list[Origin]:
        """Where the artifacts came from that there are."""
        return sorted(it.origin for it in await self.index.due(self.now + 2 * A_DAY, 100))

    async def is_empty(self) -> bool:
        """Whether nothing is kept, nor any content left for the cleanup to find."""
        return not (await self.origins() or await self.index.unneeded())


@pytest.fixture
async def studio(tmp_path):
    studio = Studio(tmp_path, Kept(tmp_path), store=Store())
    yield studio
    await studio.kept.close()


@pytest.fixture
async def http(studio):
    async with client_of(studio.app()) as client:
        yield client


async def opened(http) -> str:
    return (await http.post("/v1/sessions", json={})).json()["id"]


async def asked(http, **fields) -> int:
    body = {"input": "A red circle", "delivery": "inline", **fields}
    return (await http.post(IMAGE, json=body)).status_code


async def the_turn(http, session_id: str) -> dict:
    return (await http.get(f"/v1/sessions/{session_id}/turns")).json()["data"][-1]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_whose_answer_cannot_be_stored_leaves_no_files(http, studio, stream):
    session_id = await opened(http)
    studio.store.refusing = True
    assert await asked(http, session_id=session_id, stream=stream) == (200 if stream else 503)
    assert (await the_turn(http, session_id))["status"] == "failed"
    assert await studio.kept.is_empty()


async def test_the_files_of_an_answer_that_may_have_been_stored_stay(http, studio):
    session_id = await opened(http)
    studio.store.silent = True
    assert await asked(http, session_id=session_id) == 503
    turn = await the_turn(http, session_id)
    assert turn["status"] == "completed"
    assert (await http.get(f"/v1/artifacts/{turn['output'][0]['artifact_id']}")).status_code == 200


@pytest.mark.parametrize("in_session", [False, True])
async def test_when_one_of_several_files_cannot_be_kept_none_is(http, studio, in_session):
    session = {"session_id": await opened(http)} if in_session else {}
    studio.kept.files.room = 2
    assert await asked(http, parameters={"n": 3, "width": 8}, **session) == 507
    assert await studio.kept.is_empty()


async def test_an_answer_that_cannot_be_put_together_leaves_no_files(http, studio):
    studio.kept.files.unreadable = True
    assert await asked(http) == 503
    assert await studio.kept.is_empty()


async def test_a_turn_that_was_stored_keeps_its_files_though_its_client_got_none(http, studio):
    session_id = await opened(http)
    studio.kept.files.unreadable = True
    assert await asked(http, session_id=session_id) == 503
    studio.kept.files.unreadable = False
    turn = await the_turn(http, session_id)
    assert turn["status"] == "completed"
    assert (await http.get(f"/v1/artifacts/{turn['output'][0]['artifact_id']}")).status_code == 200


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_client_that_leaves_while_files_are_kept_leaves_none_behind(http, studio, in_session):
    session_id = await opened(http) if in_session else None
    command = GenerateCommand(
        modality=Modality.IMAGE,
        messages=(text_message(Role.USER, "A red circle"),),
        parameters=ImageParameters(n=2),
        session_id=session_id,
    )

    async def ask() -> None:
        async with studio.services.generate.begin(command, LOCAL_OPERATOR, "req") as running:
            await running.result()

    studio.kept.files.gate.clear()
    asking = asyncio.create_task(ask())
    await studio.kept.files.asked.wait()
    asking.cancel()
    studio.kept.files.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await studio.kept.is_empty()
    assert studio.kept.left_in_work() == []
    if session_id:
        assert (await the_turn(http, session_id))["status"] == "cancelled"


async def test_a_picture_that_is_shown_without_a_session_is_kept_for_as_long_as_it_is_looked_at(http, studio):
    assert await asked(http, input=A_PICTURE) == 200
    assert await studio.kept.origins() == [Origin.GENERATED]


async def test_a_turn_that_is_refused_leaves_none_of_its_pictures(http, studio):
    session_id = await opened(http)
    await http.post(f"/v1/sessions/{session_id}/close")
    assert await asked(http, input=A_PICTURE, session_id=session_id) == 409
    assert await asked(http, input=A_PICTURE, session_id="ses_of_nobody") == 404
    assert await studio.kept.is_empty()


async def test_when_one_of_several_pictures_is_none_the_others_go(http, studio):
    (message,) = A_PICTURE
    nonsense = {"type": "image", "url": "data:image/png;base64,AAAA"}
    said = [{"role": "user", "content": [*message["content"], nonsense]}]
    assert await asked(http, input=said, session_id=await opened(http)) == 400
    assert await studio.kept.is_empty()


async def test_a_turn_that_failed_keeps_the_pictures_that_it_shows(http, studio):
    session_id, studio.studio.failure = await opened(http), RunnerCrashed()
    assert await asked(http, input=A_PICTURE, session_id=session_id) == 502
    shown = (await the_turn(http, session_id))["messages"][0]["content"][1]
    assert (await http.get(f"/v1/artifacts/{shown['artifact_id']}")).status_code == 200


async def test_the_pictures_of_a_request_that_is_sent_again_are_not_kept_again(http, studio):
    body = {"input": A_PICTURE, "session_id": await opened(http)}
    for _ in range(2):
        assert (await http.post(IMAGE, json=body, headers={"Idempotency-Key": "k"})).status_code == 200
    assert await studio.kept.origins() == [Origin.GENERATED, Origin.UPLOADED]


async def test_a_picture_belongs_to_the_session_that_a_state_token_stands_for(http, studio):
    session_id = await opened(http)
    token = (await http.post(IMAGE, json={"input": "A hat", "session_id": session_id})).json()["state_token"]
    assert await asked(http, input=A_PICTURE, state_token=token) == 200
    await http.delete(f"/v1/sessions/{session_id}")
    assert await studio.kept.is_empty()
