"""Splitting text into shell words as BuildKit's lexer does, without setting any variable.

Quotes, backslashes and ``${…}`` are minded; the backslash is the escape character whatever the escape directive says.
"""

from __future__ import annotations

import re

from lamella.syntax.words import SPACE

_PLAIN = re.compile(rf"[^{SPACE}\\\"'$]+")
_PLAIN_IN_BRACES = re.compile(r"[^\\\"'$}/]+")
_PLAIN_IN_QUOTES = re.compile(r"[^\\\"$]+")
_NAME = re.compile(r"\d+|[@*#?$!-]|\w*")
_SPACES = re.compile(f"[{SPACE}]+")

#: ``${a:-${b:-…}}`` nested deeper than this is taken as unreadable
_DEPTH = 100


class Unreadable(ValueError):
    """Text that does not split into shell words: an open quote or ``${``, or a substitution that BuildKit refuses."""


def shell_words(text: str, *, raw: bool) -> list[str]:
    """The words; ``raw`` keeps quotes and backslashes in them. Raises Unreadable."""
    return _Splitter(text, raw=raw).words()


class _Splitter:
    """Walks over the text once; ``at`` is the offset of the next character."""

    def __init__(self, text: str, *, raw: bool) -> None:
        self.text = text
        self.raw = raw
        self.at = 0

    def words(self) -> list[str]:
        words: list[str] = []
        word: list[str] = []
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char in SPACE:
                self.at += 1
                _finish(words, word)
            elif char == "'":
                word.append(self._single_quoted())
            elif char == '"':
                word.append(self._double_quoted(0))
            elif char == "$":
                # Even quoted blanks inside ${…} separate words: the text is split after it was put together.
                first, *rest = _SPACES.split(self._dollar(0))
                word.append(first)
                for piece in rest:
                    _finish(words, word)
                    word.append(piece)
            elif char == "\\":
                word.append(self._escaped())
            else:
                word.append(self._take(_PLAIN))
        _finish(words, word)
        return words

    def _take(self, pattern: re.Pattern[str]) -> str:
        """What the pattern matches here; one character where it matches nothing."""
        match = pattern.match(self.text, self.at)
        start, self.at = self.at, match.end() if match else self.at + 1
        return self.text[start : self.at]

    def _escaped(self) -> str:
        pair = self.text[self.at : self.at + 2]
        self.at += 2
        return pair if self.raw else pair[1:]

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Unreadable
        quoted = self.text[self.at : end + 1]
        self.at = end + 1
        return quoted if self.raw else quoted[1:-1]

    def _double_quoted(self, depth: int) -> str:
        parts = ['"'] if self.raw else []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "$":
                parts.append(self._dollar(depth + 1))
            elif char == "\\":
                if self.text[self.at + 1 : self.at + 2] in ("", '"', "$", "\\"):
                    parts.append(self._escaped())
                else:
                    parts.append(char)
                    self.at += 1
            elif char == '"':
                self.at += 1
                return "".join([*parts, '"'] if self.raw else parts)
            else:
                parts.append(self._take(_PLAIN_IN_QUOTES))
        raise Unreadable

    def _skip_name(self) -> None:
        match = _NAME.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _dollar(self, depth: int) -> str:
        """``$name`` or ``${…}``, kept as it stands: no variable is set here."""
        start = self.at
        self.at += 1
        if not self.text.startswith("{", self.at):
            self._skip_name()
            return self.text[start : self.at]
        self.at += 1
        if depth >= _DEPTH or self.text[self.at : self.at + 1] in ("", "{", "}", ":"):
            raise Unreadable
        self._skip_name()
        modifier = self.text[self.at : self.at + 1]
        self.at += 1
        if modifier == "/":
            self.at += self.text.startswith("/", self.at)
            self._skip_to("/", depth)
        elif modifier == ":":
            self.at += 1
        elif modifier == "" or modifier not in "}+-?#%":
            raise Unreadable
        if modifier != "}":
            self._skip_to("}", depth)
        return self.text[start : self.at]

    def _skip_to(self, stop: str, depth: int) -> None:
        """Moves behind the next ``stop`` that is neither quoted nor escaped."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == stop:
                self.at += 1
                return
            if char == "'":
                self._single_quoted()
            elif char == '"':
                self._double_quoted(depth + 1)
            elif char == "$":
                self._dollar(depth + 1)
            elif char == "\\":
                self._escaped()
            else:
                self._take(_PLAIN_IN_BRACES)
        raise Unreadable


def _finish(words: list[str], word: list[str]) -> None:
    """Closes the word that is being put together; an empty one is none."""
    if any(word):
        words.append("".join(word))
    word.clear()
