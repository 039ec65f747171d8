"""`pluggably chat`: a conversation with a model, kept as a session of the running service."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

from rich.console import Console

from ...domain.errors import GatewayError
from .client import Client
from .plain import Wrap, plain, shown

COMMANDS = "/reset forgets what was said, /quit leaves, Ctrl-C stops an answer."


def chat(client: Client, *, model: str | None, session_id: str | None) -> None:
    """Read a line, stream the answer, until `/quit` or the end of the input.

    Raises:
        GatewayError: the service is not there, or the session is not; or, without a person to try again, an answer
            failed.
    """
    out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    named = quote(session_id, safe="") if session_id else ""
    session = client.get(f"/sessions/{named}") if named else client.post("/sessions", {"title": "Chat"})
    interactive = out.is_terminal and sys.stdin.isatty()
    if interactive:
        out.print(f"Session [bold]{shown(session['id'])}[/]. {COMMANDS}\n")
    for line in _typed(out) if interactive else _piped():
        if line.strip() == "/quit":
            return
        try:
            _obey(client, out, line.strip(), model, session["id"])
        except GatewayError as error:
            if not interactive:
                raise
            out.print(f"[red]{shown(str(error))}[/]")
        except KeyboardInterrupt:
            if not interactive:
                raise
            out.print("[dim] … stopped.[/]")


def _obey(client: Client, out: Console, line: str, model: str | None, session_id: str) -> None:
    match line:
        case "":
            return
        case "/reset":
            client.post(f"/sessions/{session_id}/reset")
            out.print("[dim]A new context; the history stays.[/]")
        case "/help":
            out.print(COMMANDS, markup=False)
        case command if command.startswith("/"):
            out.print(f"There is no {plain(command)}. {COMMANDS}", markup=False)
        case said:
            _answer(client, out, {"model": model, "session_id": session_id, "input": said})


def _typed(out: Console) -> Iterator[str]:
    """What a person types after a prompt; Ctrl-C there leaves."""
    while True:
        try:
            yield out.input("[bold cyan]you ›[/] ")
        except UnicodeDecodeError:
            out.print("[red]That was not UTF-8.[/]")
        except (EOFError, KeyboardInterrupt):
            out.print()
            return


def _piped() -> Iterator[str]:
    try:
        for line in sys.stdin.buffer:
            yield line.decode()
    except UnicodeDecodeError as error:
        raise GatewayError(detail="The input is not UTF-8.") from error


def _answer(client: Client, out: Console, asked: dict[str, str | None]) -> None:
    body = {name: value for name, value in asked.items() if value is not None} | {"stream": True}
    wrap = Wrap(out.width) if out.is_terminal else None
    done = None
    try:
        with closing(client.events("/generations/text", body)) as events:
            for name, data in events:
                if name == "delta":
                    text = plain(data.get("text", ""))
                    out.out(wrap.feed(text) if wrap else text, end="", highlight=False)
                elif name == "completed":
                    done = data
    finally:  # what has come is shown, also when no more will
        out.out(wrap.rest() if wrap else "", end="" if done is None and not wrap else "\n", highlight=False)
    if done:
        _summary(out, done)


def _summary(out: Console, done: dict[str, Any]) -> None:
    if not out.is_terminal:
        return
    usage, timing = done["usage"], done["timing"]
    seconds = max(timing["total_ms"] - (timing["first_output_ms"] or 0), 1) / 1000
    speed = f"{usage['output_tokens'] / seconds:.0f} tokens/s"
    cached = f", {usage['cached_input_tokens']} of {usage['input_tokens']} input tokens cached"
    cut = ", cut at the limit" if done["finish_reason"] == "length" else ""
    out.print(f"[dim]{usage['output_tokens']} tokens, {speed}{cached}{cut}[/]\n")
