"""How much of a conversation a turn is told."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.generation import Message, Role, TextPart, ToolCallPart, ToolResultPart, text_message
from pluggably.domain.session import Changes, ContextCut, ContextPolicy, ContextStrategy, change, context
from pluggably.domain.session.context import estimated_tokens, kept

from ...session_builders import NOON, a_session, after, answer, ask

LAST = ContextStrategy.LAST_TURNS
BUDGET = ContextStrategy.TOKEN_BUDGET
RESULT = Message(Role.TOOL, (ToolResultPart("call_1", "rain"),))


def numbers(turns) -> list[int]:
    return [turn.number for turn in turns]


def with_a_tool_call():
    """Turn 2 calls a tool, and turn 3 brings what it answered."""
    session = a_session(turns=1)
    session = after(session, ask(session, "What is the weather?"))
    session = after(session, answer(session, ToolCallPart("call_1", "weather", "{}")))
    session = after(session, ask(session, RESULT))
    return after(session, answer(session, "It rains."))


def test_everything_is_told_unless_a_policy_says_otherwise():
    session = a_session(turns=5)
    assert numbers(kept(session.turns, session.context)) == [1, 2, 3, 4, 5]
    assert not [it for it in ask(session) if isinstance(it, ContextCut)]


def test_the_last_turns_are_told_and_the_instructions_always():
    session = a_session(turns=4, instructions="Be brief.", context=ContextPolicy(LAST, 2))
    said = [message.text for message in context(session)]
    assert said == ["Be brief.", "Question 3", "Answer 3", "Question 4", "Answer 4"]


def test_what_is_left_out_is_an_event_that_names_the_turns():
    session = a_session(turns=4, context=ContextPolicy(LAST, 1))
    cut, requested = ask(session)
    assert cut == ContextCut(turn=5, first=1, last=3, at=NOON)
    session = after(session, (cut, requested))
    assert numbers(session.turns) == [1, 2, 3, 4, 5]
    assert session.turns[0].output == (TextPart("Answer 1"),)


def test_a_later_policy_brings_the_turns_back():
    session = a_session(turns=4, context=ContextPolicy(LAST, 1))
    session = after(session, change(session, Changes(context=ContextPolicy()), at=NOON))
    assert len(context(session)) == 8


def test_a_token_budget_keeps_what_fits_into_it():
    session = a_session(turns=4)
    each = estimated_tokens(session.turns[0])
    for budget, told in ((4 * each, [1, 2, 3, 4]), (4 * each - 1, [2, 3, 4]), (each, [4]), (each - 1, [])):
        assert numbers(kept(session.turns, ContextPolicy(BUDGET, budget))) == told


@pytest.mark.parametrize(("limit", "told"), [(1, []), (2, [2, 3]), (3, [1, 2, 3])])
def test_a_tool_call_and_its_result_are_kept_or_left_out_together(limit, told):
    assert numbers(kept(with_a_tool_call().turns, ContextPolicy(LAST, limit))) == told


def test_a_request_that_answers_a_tool_call_is_told_of_the_call_whatever_the_limit():
    called = evolve(with_a_tool_call(), turns=with_a_tool_call().turns[:2])
    assert numbers(kept(called.turns, ContextPolicy(BUDGET, 1), (RESULT,))) == [2]
    assert numbers(kept(called.turns, ContextPolicy(BUDGET, 1), (text_message(Role.USER, "Hm"),))) == []


@given(
    tools=st.lists(st.booleans(), max_size=8),
    policy=st.builds(ContextPolicy, st.sampled_from([LAST, BUDGET]), st.integers(1, 60)),
)
def test_what_is_kept_is_the_newest_within_the_limit_and_begins_with_no_orphan(tools, policy):
    session = a_session()
    for is_result in tools:
        session = after(session, ask(session, RESULT if is_result and session.turns else "Hello?"))
        session = after(session, answer(session))
    told = kept(session.turns, policy)
    assert told == session.turns[len(session.turns) - len(told) :]
    assert not told or told[0].number == 1 or told[0].messages[0].role is not Role.TOOL
    size = sum(1 if policy.strategy is LAST else estimated_tokens(it) for it in told)
    assert size <= policy.limit
