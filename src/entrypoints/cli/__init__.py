"""The command line, `pluggably`: one file a command, each imported when it is used."""

from .app import main

__all__ = ["main"]
