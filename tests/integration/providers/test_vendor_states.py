"""What vendors want to be shown again, through a session and its state tokens."""

import json
from contextlib import asynccontextmanager

import pytest
from attrs import define

from pluggably.application.command import GenerateCommand
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.generation import Message, Role, ToolCallPart, ToolResultPart
from pluggably.domain.model import Modality
from pluggably.domain.parameters import TextParameters
from pluggably.domain.session import AUTO

from ...unit.application.world import World
from .anthropic_server import anthropic_server, message, tool_use
from .anthropic_server import text as anthropic_text
from .gemini_server import answer, call, gemini_server
from .gemini_server import text as gemini_text

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYI+/=="}


@define
class Vendor:
    """How one shows its own content again, and what the second answer says."""

    server: object
    kind: str
    first: dict
    written: list
    told: list
    last: dict

    def shown(self, body: dict) -> list:
        turn = (body.get("messages") or body["contents"])[1]
        return turn.get("content") or turn["parts"]


VENDORS = [
    Vendor(
        anthropic_server,
        "anthropic.thinking",
        message(THOUGHT, tool_use("t1", a=1), stop_reason="tool_use"),
        [THOUGHT, tool_use("t1", a=1)],
        [tool_use("t1", a=1)],
        message(anthropic_text("3")),
    ),
    Vendor(
        gemini_server,
        "gemini.thought_signatures",
        answer(call("add", "t1", "CpcHAXLI2nw+/==", a=1)),
        [call("add", "t1", "CpcHAXLI2nw+/==", a=1)],
        [call("add", "t1", a=1)],
        answer(gemini_text("3")),
    ),
]


@asynccontextmanager
async def asked(vendor: Vendor):
    """A session in which the model has asked for a tool: its world, the server, the id and the first answer."""

    async def answering(asked) -> None:
        body = vendor.first if len(asked.body.get("messages") or asked.body["contents"]) == 1 else vendor.last
        await asked.answer(json.dumps(body).encode())

    async with vendor.server(answering) as server:
        provider = server.provider()
        world = World(provider)
        session_id = await world.open()
        first = await world.ask("Add", session_id=session_id, stream=False)
        yield world, server, session_id, first
        await provider.close()


async def answer_the_call(world, session_id, state_token):
    command = GenerateCommand(
        modality=Modality.TEXT,
        messages=(Message(Role.TOOL, (ToolResultPart("t1", "3"),)),),
        parameters=TextParameters(),
        session_id=session_id,
        state_token=state_token,
        stream=False,
    )
    async with world.generate.begin(command, LOCAL_OPERATOR, "req") as running:
        return await running.result()


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.kind)
@pytest.mark.parametrize("auto", [True, False])
async def test_with_the_state_the_vendor_sees_what_it_wrote(vendor, auto):
    async with asked(vendor) as (world, server, session_id, first):
        assert first.result.output == (ToolCallPart("t1", "add", '{"a": 1}'),)
        assert (await world.session(session_id)).turns[0].state.kind == vendor.kind
        second = await answer_the_call(world, session_id, AUTO if auto else first.state_token)
    assert second.result.output[0].text == "3"
    assert vendor.shown(server.calls[1].body) == vendor.written


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.kind)
async def test_without_the_state_it_is_told_the_history(vendor):
    async with asked(vendor) as (world, server, session_id, _):
        await answer_the_call(world, session_id, None)
    assert vendor.shown(server.calls[1].body) == vendor.told
