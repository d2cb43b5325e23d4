"""The lossless tree of a Dockerfile. Every character of the text belongs to exactly one item.

Offsets count characters of :attr:`Document.text`; lines count from 1.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple


class Span(NamedTuple):
    """Half-open range of character offsets into the document's text."""

    start: int
    end: int


class Directive(NamedTuple):
    """``# syntax=…``, ``# escape=…`` or ``# check=…`` at the top; ``name`` is lower case."""

    span: Span
    line: int
    name: str
    value: str


class Comment(NamedTuple):
    """A comment line, outside or inside (``Instruction.comments``) an instruction.

    ``text`` is without the ``#`` and without surrounding white space; ``span`` is the whole line.
    """

    span: Span
    line: int
    text: str


class Blank(NamedTuple):
    """A line of white space only."""

    span: Span
    line: int


class Heredoc(NamedTuple):
    """One ``<<EOF``. ``content`` is the body as the builder sees it (tabs stripped for ``<<-``), with its last newline.

    ``expand`` is False when the delimiter was quoted. ``span`` covers the body's lines and the delimiter line;
    ``line`` is the body's first line; ``marker`` is the word as written (``<<-"EOF"``) and ``fd`` its file
    descriptor (0 where unsaid).
    """

    span: Span
    line: int
    name: str
    marker: str
    content: str
    expand: bool
    strip_tabs: bool
    fd: int


class Flag(NamedTuple):
    """``--name=value`` or ``--name`` (value None).

    Quotes and backslashes are taken off, as BuildKit does before it looks at a flag; variables are not expanded.
    ``span`` is the flag as it is written.
    """

    span: Span
    line: int
    name: str
    value: str | None


class Piece(NamedTuple):
    """A stretch of the logical text that stands in one piece in the document.

    ``offset`` is where it starts in ``Instruction.logical``, ``span`` where it stands in the document.
    """

    offset: int
    span: Span


class Instruction(NamedTuple):
    """One instruction with all its lines.

    ``keyword`` is upper case (``RUN``); an unknown keyword is kept, the typed layer refuses it. ``logical`` is the
    whole instruction as the builder reads it, continuation characters and comments taken out, the heredoc bodies
    not included; ``value`` is what of it stands behind keyword and flags, stripped. ``pieces`` maps logical offsets
    to the document, in order. ``line`` and ``end_line`` include the heredoc bodies, and ``span`` covers all of those
    lines with the last newline.
    """

    span: Span
    line: int
    end_line: int
    keyword: str
    keyword_span: Span
    flags: tuple[Flag, ...]
    logical: str
    value: str
    value_offset: int  # of ``value`` in ``logical``
    pieces: tuple[Piece, ...]
    comments: tuple[Comment, ...]
    heredocs: tuple[Heredoc, ...]
    blank_lines: tuple[int, ...] = ()  # numbers of the blank lines among its lines; BuildKit warns of them

    def flag(self, name: str) -> Flag | None:
        """The last flag of that name."""
        return next((flag for flag in reversed(self.flags) if flag.name == name), None)

    def source_offset(self, logical_offset: int) -> int:
        """Where a character of ``logical`` stands in the document's text."""
        index = bisect_right(self.pieces, logical_offset, key=_piece_offset) - 1
        if index < 0:
            return self.span.start
        piece = self.pieces[index]
        return min(piece.span.start + logical_offset - piece.offset, piece.span.end)

    def source_span(self, start: int, end: int) -> Span:
        """The stretch of the document that ``logical[start:end]`` comes from, continuation lines inside included."""
        first = self.source_offset(start)
        return Span(first, self.source_offset(end - 1) + 1 if end > start else first)


def _piece_offset(piece: Piece) -> int:
    return piece.offset


Item = Instruction | Comment | Blank | Directive


class Document(NamedTuple):
    """A parsed Dockerfile. ``name`` is what messages call it (``Dockerfile``, ``docker/app.Dockerfile``, ``-``).

    ``escape`` is the continuation and escape character. ``items`` are in the order of the text and tile it, but for
    a byte order mark at its start.
    """

    name: str
    text: str
    escape: str
    items: tuple[Item, ...]

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        return tuple(item for item in self.items if isinstance(item, Instruction))

    @property
    def directives(self) -> tuple[Directive, ...]:
        return tuple(item for item in self.items if isinstance(item, Directive))

    def source(self, span: Span) -> str:
        return self.text[span.start : span.end]

    def where(self, line: int) -> str:
        """``file:line``, as every message about this document says it."""
        return f"{self.name}:{line}"
