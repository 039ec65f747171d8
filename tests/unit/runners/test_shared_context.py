"""Who gives way when requests together outgrow the context that they share."""

from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.runners.shared_context import SharedContext, shared_tokens


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40)), max_size=200))
def test_those_who_stay_fit_and_came_before_those_who_give_way(growths):
    context = SharedContext(400, reserve=50)
    shares = [context.enter() for _ in range(6)]
    for number, tokens in growths:
        if not shares[number].gives_way:
            context.grow(shares[number], tokens)
        staying = [it for it in shares if not it.gives_way]
        assert shares[: len(staying)] == staying
        assert len(staying) == 1 or sum(it.tokens for it in staying) <= 400


def test_those_who_have_taken_nothing_yet_make_no_room_by_giving_way():
    context = SharedContext(400, reserve=50)
    shares = [context.enter() for _ in range(6)]
    for _ in range(20):
        context.grow(shares[0], 20)
    assert [it.gives_way for it in shares] == [False, *[True] * 5]


def test_what_is_given_back_is_free_for_others():
    context = SharedContext(100, reserve=10)
    first, second = context.enter(), context.enter()
    context.grow(first, 80)
    context.leave(first)
    third = context.enter()
    context.grow(third, 80)
    assert not second.gives_way
    assert not third.gives_way


@given(st.integers(1, 10**6), st.integers(1, 256))
def test_one_request_may_always_use_the_whole_context_and_no_more_is_kept_than_all_could_use(context, parallel):
    assert context <= shared_tokens(context, parallel) <= context * parallel
