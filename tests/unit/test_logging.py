"""The log: one JSON object a line, whatever is said in it, and no later than the turn of the loop it was said in."""

import asyncio
import io
import json
import logging

import pytest
import structlog

from pluggably.adapters.telemetry.logging import configure_logging


@pytest.fixture
def output():
    before = structlog.get_config()
    output = io.StringIO()
    configure_logging("info", "json", output)
    yield output
    structlog.configure(**before)
    logging.basicConfig(handlers=[], force=True)


def told(output: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_has_its_event_its_level_and_its_time(output):
    structlog.get_logger().warning("model.loaded", model="tiny", kinds={1})
    [line] = told(output)
    assert (line["event"], line["level"], line["model"], line["kinds"]) == ("model.loaded", "warning", "tiny", [1])
    assert line["timestamp"].endswith("Z")


def test_an_error_is_told_with_its_traceback_and_without_the_values_in_it(output):
    secret = "sk-" + "secret"
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        structlog.get_logger().error("request.failed", exc_info=error)
        logging.getLogger("library").exception("failed")
    assert [it["exception"][0]["exc_type"] for it in told(output)] == ["ValueError", "ValueError"]
    assert "no such thing" in output.getvalue() and secret not in output.getvalue()


@pytest.mark.parametrize("odd", ["\ud800", 2**70, {1: "one"}, {(1, 2): 3}, object(), b"\xff"])
def test_whatever_is_said_the_line_is_whole(output, odd):
    structlog.get_logger().info("odd.said", odd=odd)
    [line] = told(output)
    assert line["event"] == "odd.said"


async def test_what_is_said_in_one_turn_of_the_loop_is_written_by_the_next(output):
    for number in range(3):
        structlog.get_logger().info("turn.completed", number=number)
    await asyncio.sleep(0)
    assert [line["number"] for line in told(output)] == [0, 1, 2]


async def test_threads_and_other_libraries_are_heard_at_once(output):
    logging.getLogger("library").warning("careful")
    assert told(output)[0]["event"] == "careful"
    await asyncio.to_thread(structlog.get_logger().info, "thread.told")
    assert told(output)[-1]["event"] == "thread.told"
