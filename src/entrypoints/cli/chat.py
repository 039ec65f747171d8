"""`pluggably chat`: a conversation with a model, kept as a session of the running service."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from rich.console import Console

from ...domain.errors import GatewayError
from .client import Client

COMMANDS = "/reset forgets what was said, /quit leaves, Ctrl-C stops an answer."


def chat(client: Client, *, model: str | None, session_id: str | None) -> None:
    """Read a line, stream the answer, until `/quit` or the end of the input.

    Raises:
        GatewayError: the service is not there, or the session is not.
    """
    out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    session = client.get(f"/sessions/{session_id}") if session_id else client.post("/sessions", {"title": "Chat"})
    if out.is_terminal and sys.stdin.isatty():
        out.print(f"Session [bold]{session['id']}[/]. {COMMANDS}\n")
    for line in _lines(out):
        match line.strip():
            case "":
                continue
            case "/quit":
                return
            case "/reset":
                client.post(f"/sessions/{session['id']}/reset")
                out.print("[dim]A new context; the history stays.[/]")
            case "/help":
                out.print(COMMANDS, markup=False)
            case command if command.startswith("/"):
                out.print(f"There is no {command}. {COMMANDS}", markup=False)
            case said:
                _answer(client, out, {"model": model, "session_id": session["id"], "input": said})


def _lines(out: Console) -> Iterator[str]:
    """What the person says; on a terminal after a prompt, and Ctrl-C there leaves."""
    interactive = out.is_terminal and sys.stdin.isatty()
    while True:
        try:
            yield out.input("[bold cyan]you ›[/] ") if interactive else input()
        except (EOFError, KeyboardInterrupt):
            if interactive:
                out.print()
            return


def _answer(client: Client, out: Console, asked: dict[str, str | None]) -> None:
    body = {name: value for name, value in asked.items() if value is not None} | {"stream": True}
    try:
        with closing(client.events("/generations/text", body)) as events:
            for name, data in events:
                if name == "delta":
                    out.out(data["text"], end="", highlight=False)
                elif name == "completed":
                    out.print()
                    _summary(out, data)
    except KeyboardInterrupt:
        out.print("[dim] … stopped.[/]")
    except GatewayError as error:
        out.print(f"[red]{error}[/]")


def _summary(out: Console, done: dict[str, Any]) -> None:
    if not out.is_terminal:
        return
    usage, timing = done["usage"], done["timing"]
    seconds = max(timing["total_ms"] - (timing["first_output_ms"] or 0), 1) / 1000
    speed = f"{usage['output_tokens'] / seconds:.0f} tokens/s"
    cached = f", {usage['cached_input_tokens']} of {usage['input_tokens']} input tokens cached"
    cut = ", cut at the limit" if done["finish_reason"] == "length" else ""
    out.print(f"[dim]{usage['output_tokens']} tokens, {speed}{cached}{cut}[/]\n")
