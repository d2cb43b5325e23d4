"""Edits of a Dockerfile's text: what is not edited stays as it is, character by character.

A pass makes edits from the nodes of one document and applies them together; the result is parsed anew. The helpers here
keep the file's line endings and take care of a last line without one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from lamella.syntax.lines import cut_continuation
from lamella.syntax.nodes import Comment, Document, Instruction, Item, Span


class Edit(NamedTuple):
    """Puts ``replacement`` in the place of ``span``; an empty span is an insertion."""

    span: Span
    replacement: str


class EditsOverlap(ValueError):
    """Two edits want the same text: a mistake of the pass that made them, never of the user's file."""


def apply_edits(document: Document, edits: Iterable[Edit]) -> str:
    """The document's text with the edits done. They may come in any order; insertions at one place keep theirs.

    Raises EditsOverlap where two spans overlap or a span is outside the text.
    """
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: edit.span):
        if not at <= edit.span.start <= edit.span.end <= len(document.text):
            raise EditsOverlap(f"{edit.span} overlaps what was edited up to {at}, or is outside the text")
        parts += (document.text[at : edit.span.start], edit.replacement)
        at = edit.span.end
    return "".join((*parts, document.text[at:]))


def newline_of(document: Document) -> str:
    """The line ending that most lines of the file have."""
    returns = document.text.count("\r\n")
    return "\r\n" if 2 * returns > document.text.count("\n") else "\n"


def comments_above(document: Document, node: Instruction) -> tuple[Comment, ...]:
    """The comment lines directly above an instruction, without a blank line between; parser directives are not ones."""
    above: list[Comment] = []
    for item in reversed(document.items[: bisect_left(document.items, node.span.start, key=_start)]):
        if not isinstance(item, Comment):
            break
        above.append(item)
    return tuple(reversed(above))


def _start(item: Item) -> int:
    return item.span.start


def whole_span(document: Document, node: Instruction, *, comments: bool = False) -> Span:
    """The instruction's lines, with ``comments`` those of the comments directly above too."""
    above = comments_above(document, node) if comments else ()
    return Span(above[0].span.start if above else node.span.start, node.span.end)


def replace_instruction(document: Document, node: Instruction, text: str, *, comments: bool = False) -> Edit:
    """Puts ``text`` (lines separated by ``\\n``) in the place of an instruction, heredocs included.

    With ``comments`` the comments directly above are replaced too. A missing line ending at the end of the file stays
    missing.
    """
    span = whole_span(document, node, comments=comments)
    text = _own_newlines(document, text)
    return Edit(span, _ended(document, text) if document.text.endswith("\n", 0, span.end) else _open(text))


def remove_instruction(document: Document, node: Instruction, *, comments: bool = False) -> Edit:
    """Takes an instruction out, with ``comments`` also the comments directly above."""
    return Edit(whole_span(document, node, comments=comments), "")


def insert_before(document: Document, node: Instruction, text: str, *, comments: bool = False) -> Edit:
    """Puts ``text`` on lines of its own before an instruction, with ``comments`` before the comments directly above."""
    return _before(document, node, _own_newlines(document, text), comments=comments)


def insert_after(document: Document, node: Instruction, text: str) -> Edit:
    """Puts ``text`` on lines of its own behind an instruction."""
    return _after(document, node, _own_newlines(document, text))


def move_before(
    document: Document, node: Instruction, target: Instruction, *, comments: bool = True
) -> tuple[Edit, Edit]:
    """Moves an instruction before ``target`` (and before the comments directly above that, with ``comments``)."""
    text = _movable(document, node, comments=comments)
    return remove_instruction(document, node, comments=comments), _before(document, target, text, comments=comments)


def move_after(
    document: Document, node: Instruction, target: Instruction, *, comments: bool = True
) -> tuple[Edit, Edit]:
    """Moves an instruction behind ``target``, with ``comments`` together with the comments directly above it."""
    text = _movable(document, node, comments=comments)
    return remove_instruction(document, node, comments=comments), _after(document, target, text)


def _movable(document: Document, node: Instruction, *, comments: bool) -> str:
    """The instruction's lines as they stand, closed at the end so that they can be followed by others."""
    start = whole_span(document, node, comments=comments).start
    return document.text[start : _closed_end(document, node)]


def _closed_end(document: Document, node: Instruction) -> int:
    """Where the instruction may be cut so that nothing is swallowed by a continuation character at the file's end."""
    if node.heredocs or node.span.end != len(document.text) or not node.pieces:
        return node.span.end
    end = node.pieces[-1].span.end
    line_end = document.text.find("\n", end)
    rest = document.text[node.pieces[-1].span.start : len(document.text) if line_end < 0 else line_end]
    return end if cut_continuation(rest.rstrip("\r"), document.escape)[1] else node.span.end


def _before(document: Document, node: Instruction, text: str, *, comments: bool) -> Edit:
    start = whole_span(document, node, comments=comments).start
    return Edit(Span(start, start), _ended(document, text))


def _after(document: Document, node: Instruction, text: str) -> Edit:
    closed, end = _closed_end(document, node), node.span.end
    if closed == end and document.text.endswith("\n", 0, end):
        return Edit(Span(end, end), _ended(document, text))
    text = _ended(document, text) if document.text.endswith("\n") else _open(text)
    return Edit(Span(closed, end), newline_of(document) + text)


def _own_newlines(document: Document, text: str) -> str:
    """``text`` with the file's line endings."""
    return text.replace("\r\n", "\n").replace("\n", newline_of(document))


def _ended(document: Document, text: str) -> str:
    return text if not text or text.endswith("\n") else text + newline_of(document)


def _open(text: str) -> str:
    """``text`` without the ending of its last line."""
    return text.removesuffix("\n").removesuffix("\r")
