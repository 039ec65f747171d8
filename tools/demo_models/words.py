"""A CLIP tokenizer that knows a few words as one token each, and spells every other word with its letters."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import ascii_lowercase

from transformers import CLIPTokenizer

FILLING = ("a", "the", "an", "of", "picture", "drawing", "image", "big", "small", "on", "white", "background")
END_OF_WORD = "</w>"
LENGTH = 8  # tokens of a prompt, its two ends included; what is longer is cut


def tokenizer(folder: Path, words: Iterable[str]) -> CLIPTokenizer:
    """Write the vocabulary of `FILLING` and `words` into `folder`, and read it as a tokenizer."""
    tokens = dict.fromkeys([*ascii_lowercase, *(letter + END_OF_WORD for letter in ascii_lowercase)])
    merges: dict[str, None] = {}
    for word in [*FILLING, *words]:
        beginnings = list(_beginnings(word))
        tokens |= dict.fromkeys(beginnings)
        merges |= dict.fromkeys(f"{known} {_letter(word, i)}" for i, known in enumerate(beginnings[:-1], start=1))
    tokens |= dict.fromkeys(["<|startoftext|>", "<|endoftext|>"])
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, rules = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    rules.write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    return CLIPTokenizer(str(vocabulary), str(rules), model_max_length=LENGTH)


def _beginnings(word: str) -> Iterator[str]:
    """Yield the tokens that a word passes through while its letters are merged from the left: r, re, red</w>."""
    known = ""
    for i in range(len(word)):
        known += _letter(word, i)
        yield known


def _letter(word: str, i: int) -> str:
    return word[i] + (END_OF_WORD if i == len(word) - 1 else "")
