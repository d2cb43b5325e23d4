"""The head of an instruction: its keyword, and the flags behind it."""

from __future__ import annotations

import re
from typing import NamedTuple

from lamella.syntax.words import BLANKS, SPACE

# BuildKit goes through flags byte by byte, so that spaces beyond ASCII do not separate here
_ASCII_SPACE = "\t\n\v\f\r "
_SPACES = re.compile(f"[{_ASCII_SPACE}]+")


class RawFlag(NamedTuple):
    """A flag with its offsets in the text it was read from. ``value`` is None for ``--name`` alone."""

    start: int
    end: int
    name: str
    value: str | None


def split_instruction(logical: str) -> tuple[str, tuple[RawFlag, ...], int]:
    """Keyword as written, flags, and the offset of the rest."""
    text = logical.rstrip(SPACE)
    start = len(text) - len(text.lstrip(SPACE))
    blank = BLANKS.search(text, start)
    if blank is None:
        return text[start:], (), len(text)
    flags, offset = split_flags(text, blank.end())
    return text[start : blank.start()], flags, offset


def split_flags(text: str, start: int) -> tuple[tuple[RawFlag, ...], int]:
    """The flags that begin at ``start``, and the offset of what follows them.

    Quotes and backslashes are taken off, as BuildKit does (whatever the escape directive says); a lone ``--`` ends the
    flags and is dropped.
    """
    flags: list[RawFlag] = []
    at = start
    while True:
        spaces = _SPACES.match(text, at)
        at = spaces.end() if spaces else at
        if not text.startswith("--", at):
            return tuple(flags), at
        end, word = _read_word(text, at)
        if word == "--":
            return tuple(flags), end
        name, equals, value = word[2:].partition("=")
        flags.append(RawFlag(at, end, name, value if equals else None))
        at = end


def _read_word(text: str, at: int) -> tuple[int, str]:
    """End and content of the word at ``at``: quotes keep blanks, a backslash keeps the next character."""
    word: list[str] = []
    quote = ""
    while at < len(text):
        char = text[at]
        if not quote and char in _ASCII_SPACE:
            break
        at += 1
        if char == "\\":
            word.append(text[at : at + 1])
            at += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        else:
            word.append(char)
    return min(at, len(text)), "".join(word)
