"""The command line, `pluggably`: one file a command, each imported when it is used."""

from .start import main

__all__ = ["main"]
