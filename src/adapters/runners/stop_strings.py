"""Ends text before any of some strings, also where such a string comes in pieces."""

from attrs import define, field


@define
class StopStrings:
    """Text on its way out; the end of it that may be the beginning of a stop string is held back.

    Of several stop strings the one that is complete first counts, so that the outcome does not depend on the pieces in
    which the text comes.
    """

    strings: tuple[str, ...]
    found: bool = field(init=False, default=False)
    _held: str = field(init=False, default="")

    def add(self, piece: str) -> str:
        """Take in more text; return what of it, and of what was held back, may go out. Nothing does, once `found`."""
        if self.found:
            return ""
        text = self._held + piece
        ends = [(at + len(string), at) for string in self.strings if (at := text.find(string)) >= 0]
        self.found = bool(ends)
        out = min(ends)[1] if ends else len(text) - self._beginning(text)
        self._held = text[out:]
        return text[:out]

    def rest(self) -> str:
        """What is still held back when the text ends; nothing, if it ended with a stop string."""
        return "" if self.found else self._held

    def _beginning(self, text: str) -> int:
        """How much of the end of the text is the beginning of a stop string."""
        longest = min(len(text), max(map(len, self.strings), default=1) - 1)
        return next((size for size in range(longest, 0, -1) if self._may_begin(text[-size:])), 0)

    def _may_begin(self, ending: str) -> bool:
        return any(string.startswith(ending) for string in self.strings)
