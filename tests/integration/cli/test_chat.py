"""`pluggably chat`, by a script and at a terminal, with a service whose answers are known."""

import itertools

import pytest

from tests.integration.cli.pluggably import Terminal, pluggably
from tests.integration.cli.scripted import answer, event, scripted


def endless(_said):
    return itertools.chain([event("started")], itertools.repeat(event("delta", index=0, text="and so on ")))


def test_each_line_of_a_pipe_is_a_turn_of_one_session():
    with scripted(lambda said: answer("You said ", said, ".")) as (service, url):
        chat = pluggably("chat", "--url", url, "--model", "tiny", said="Hi\n\nThanks\n")
    assert (chat.returncode, chat.stdout, chat.stderr) == (0, "You said Hi.\nYou said Thanks.\n", "")
    assert service.asked == [
        ("POST", "/v1/sessions", {"title": "Chat"}),
        *(
            (
                "POST",
                "/v1/generations/text",
                {"model": "tiny", "session_id": "ses_1", "input": said, "stream": True},
            )
            for said in ("Hi", "Thanks")
        ),
    ]


def test_a_long_answer_in_a_pipe_stays_on_its_lines():
    paragraph = "many words " * 100
    with scripted(lambda _: answer(paragraph)) as (_, url):
        assert pluggably("chat", "--url", url, said="Hi\n").stdout == f"{paragraph}\n"


def test_no_character_of_an_answer_ends_its_event():
    odd = "one\u2028two\u2029three\vfour\x85five"
    with scripted(lambda _: answer(odd)) as (_, url):
        chat = pluggably("chat", "--url", url, said="Hi\n")
    assert chat.returncode == 0, chat.stderr
    assert "one\u2028two\u2029three" in chat.stdout


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (answer("Half an")[:-1], "broke off"),
        ([], "broke off"),
        ([event("delta", text="Half an"), event("error", detail="The [/red] engine crashed.")], "The [/red] engine"),
    ],
    ids=["without an end", "empty", "error"],
)
def test_an_answer_that_fails_ends_a_script_with_its_reason(stream, sentence):
    with scripted(lambda _: stream) as (service, url):
        chat = pluggably("chat", "--url", url, said="Hi\nnever asked\n")
    assert chat.returncode == 1
    assert sentence in chat.stderr
    assert "Traceback" not in chat.stderr
    assert "never asked" not in str(service.asked)


def test_input_that_is_no_text_is_refused_in_a_sentence():
    with scripted(lambda _: answer("Yes")) as (_, url):
        chat = pluggably("chat", "--url", url, said=b"\xff\xfe\n")
    assert (chat.returncode, chat.stderr) == (1, "pluggably: The input is not UTF-8.\n")


def test_a_person_sees_words_whole_and_what_the_answer_took():
    with (
        scripted(lambda _: answer(*["fourteen chars " for _ in range(10)])) as (_, url),
        Terminal("chat", "--url", url) as it,
    ):
        it.expect("you ›")
        it.type("Hi")
        it.expect("10 tokens, 10 tokens/s, 4 of 9 input tokens cached")
        it.type("/quit")
        assert it.leave() == 0
    said = [line for line in it.screen.split("\n") if "fourteen" in line]
    assert len(said) > 1
    assert all(len(line) <= 80 and line.strip().split(" ")[-1] in ("fourteen", "chars") for line in said)


def test_an_answer_cannot_steer_the_terminal():
    with (
        scripted(lambda _: answer("\x1b]0;owned\x07\x1b[2J", "done.")) as (_, url),
        Terminal("chat", "--url", url) as it,
    ):
        it.expect("you ›")
        it.type("Hi")
        it.expect("tokens/s")
        it.type("/quit")
        it.leave()
    assert b"\x1b]0;" not in it.raw
    assert b"\x1b[2J" not in it.raw


def test_ctrl_c_stops_an_answer_and_a_second_one_leaves():
    with scripted(endless) as (service, url), Terminal("chat", "--url", url) as it:
        it.expect("you ›")
        it.type("Hi")
        it.expect("and so on")
        it.interrupt()
        it.expect("stopped.")
        assert service.left.wait(20)
        it.expect("you ›", times=2)
        it.interrupt()
        assert it.leave() == 0


def test_a_person_goes_on_after_an_error():
    streams = iter([[event("error", detail="The [/red] engine crashed.")], answer("Well.")])
    with scripted(lambda _: next(streams)) as (_, url), Terminal("chat", "--url", url) as it:
        it.expect("you ›")
        it.type("Hi")
        it.expect("The [/red] engine crashed.")
        it.type("/reset")
        it.expect("A new context")
        it.type("/reset")
        it.expect("Session [ses_1] cannot be reset now.")
        it.type("Hi again")
        it.expect("Well.")
        it.type("/quit")
        assert it.leave() == 0
