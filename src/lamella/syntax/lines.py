"""Physical lines of a Dockerfile, and the logical line that an instruction makes of several of them."""

from __future__ import annotations

from typing import NamedTuple

from lamella.syntax.nodes import Comment, Piece, Span
from lamella.syntax.words import SPACE


class Line(NamedTuple):
    """A physical line; ``end`` is before its line ending (``\\n``, with any ``\\r`` before it), ``next`` behind it."""

    number: int
    start: int
    end: int
    next: int


class LineReader:
    """Walks over the lines of a text. Only ``\\n`` ends a line; carriage returns before it belong to the ending."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.at = start
        self.number = 0

    def take(self) -> Line | None:
        """The next line, None at the end of the text."""
        start, text = self.at, self.text
        if start == len(text):
            return None
        newline = text.find("\n", start)
        end, self.at = (len(text), len(text)) if newline < 0 else (newline, newline + 1)
        while end > start and text[end - 1] == "\r":
            end -= 1
        self.number += 1
        return Line(self.number, start, end, self.at)


class LogicalLine(NamedTuple):
    """An instruction's lines put together: continuation characters, comments and blank lines taken out."""

    text: str
    pieces: tuple[Piece, ...]
    comments: tuple[Comment, ...]
    blank_lines: tuple[int, ...]


def read_logical_line(reader: LineReader, first: Line, escape: str) -> LogicalLine:
    """Joins ``first`` with what it is continued by; ``reader`` stands behind the last line afterwards."""
    text = reader.text
    parts: list[str] = []
    pieces: list[Piece] = []
    comments: list[Comment] = []
    blank_lines: list[int] = []
    length = 0
    start = first.end - len(text[first.start : first.end].lstrip(SPACE))
    line: Line | None = first
    while line is not None:
        content, continued = cut_continuation(text[start : line.end], escape)
        if content:
            parts.append(content)
            pieces.append(Piece(length, Span(start, start + len(content))))
            length += len(content)
        line = _next_content(reader, comments, blank_lines) if continued else None
        start = line.start if line else start
    return LogicalLine("".join(parts), tuple(pieces), tuple(comments), tuple(blank_lines))


def _next_content(reader: LineReader, comments: list[Comment], blank_lines: list[int]) -> Line | None:
    """The next line that is neither blank nor a comment; those are noted down and passed over."""
    while (line := reader.take()) is not None:
        content = reader.text[line.start : line.end].strip(SPACE)
        if not content:
            blank_lines.append(line.number)
        elif content[0] == "#":
            comments.append(Comment(Span(line.start, line.next), line.number, content[1:].strip(SPACE)))
        else:
            return line
    return None


def cut_continuation(line: str, escape: str) -> tuple[str, bool]:
    """The line without its continuation character, and whether it had one.

    Blanks may follow the character. Doubled, it is an escaped one and continues nothing; BuildKit does not count
    further, so three of them do not continue either.
    """
    trimmed = line.rstrip(" \t")
    if trimmed.endswith(escape) and not trimmed.endswith(escape + escape):
        return trimmed[:-1], True
    return line, False
