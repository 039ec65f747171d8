"""Text of others, such as a model's answer or a session's title, on its way to a terminal."""

import re

from rich.cells import cell_len
from rich.markup import escape

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TAB_STOP = 8


def plain(text: str) -> str:
    """The text without what steers a terminal or cannot be written: each such character is shown as `�`."""
    return _CONTROL.sub("�", text.replace("\r", ""))


def shown(text: str) -> str:
    """The text as rich's markup, which shows it as it is."""
    return escape(plain(text))


class Wrap:
    """Breaks a text between its words while it comes in pieces."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """What can be shown now: all but a word that may go on."""
        *ended, self._word = re.split(r"(\s)", self._word + text)
        if cell_len(self._word) > self._width // 2:  # no word of a language that has spaces
            ended, self._word = [*ended, self._word], ""
        return "".join(map(self._place, ended))

    def rest(self) -> str:
        """What is left at the end."""
        word, self._word = self._word, ""
        return self._place(word)

    def _place(self, piece: str) -> str:
        cells = _TAB_STOP - self._column % _TAB_STOP if piece == "\t" else cell_len(piece)
        if piece == "\n" or (piece.isspace() and self._column + cells > self._width):
            self._column = 0
            return "\n"
        if self._column + cells <= self._width:
            self._column += cells
            return piece
        lead = "\n" if self._column else ""
        self._column = cells % self._width
        return lead + piece
