"""The text of a joined RUN, with the lines, comments and line ends of the RUNs it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lamella.plan.runchain import Link, RunChain
from lamella.shell.join import Part
from lamella.shell.script import Script
from lamella.syntax.edits import newline_of
from lamella.syntax.nodes import Comment, Document, Span

_UNIT = "    "


class _Row(NamedTuple):
    """A line, or several that hang together. Behind a comment stands no continuation character."""

    text: str
    comment: bool = False


def joined_text(document: Document, chain: RunChain, comments: tuple[tuple[Comment, ...], ...]) -> str:
    """What stands behind ``RUN`` and its flags, without the last line ending.

    ``comments[n]`` are the comment lines between RUN ``n`` and the one before it, which are kept in front of it.
    """
    return _Writer(document, chain).write(comments)


def body_span(link: Link) -> Span:
    """The stretch of the document that holds what is executed; in exec form, from the bracket to the end."""
    node, script = link.run.node, link.script
    end = script.end if link.written else len(node.value)
    return node.source_span(node.value_offset + (script.start if link.written else 0), node.value_offset + end)


class _Writer:
    def __init__(self, document: Document, chain: RunChain) -> None:
        self.document = document
        self.chain = chain
        self.newline = newline_of(document)
        bodies = [self._source(link) for link in chain.links]
        self.indent = _indent_of(document, chain)
        self.unit = "\t" if self.indent.startswith("\t") else _UNIT
        self.trailing = chain.joined.glue == "&&" and _prefers_trailing(bodies)

    def write(self, comments: tuple[tuple[Comment, ...], ...]) -> str:
        parts = self.chain.joined.parts
        prologue = self.chain.joined.prologue
        rows = [_Row(f"{prologue};")] if prologue else []
        for number, (link, part) in enumerate(zip(self.chain.links, parts, strict=True)):
            first, last = number == 0, number == len(parts) - 1
            before, behind = self._own_comments(link, first=first, last=last)
            if part.rehash:
                rows.append(self._row("hash -r", first=False, last=False))
            rows += [*map(self._comment, comments[number]), *before]
            rows.append(self._row(self._part(link, part), first=first, last=last))
            rows += behind
        return self._assemble(rows)

    def _own_comments(self, link: Link, *, first: bool, last: bool) -> tuple[list[_Row], list[_Row]]:
        """Comments of the RUN's own lines, outside of what is executed: those before its part, those behind it.

        What stands in front of the first body stays where it is; behind the last one, a comment would be continued into
        the next instruction.
        """
        span = body_span(link)
        comments = link.run.node.comments if link.written else ()
        before = [self._comment(comment) for comment in comments if comment.span.start < span.start]
        behind = [self._comment(comment) for comment in comments if comment.span.start >= span.end]
        if not link.written:
            (behind if first else before).extend(map(self._comment, link.run.node.comments))
        if link.script.comment is not None:
            # The shell's own comment becomes one of the Dockerfile's, so that it cannot swallow the rest.
            own = _Row(" ".join(link.script.text[link.script.comment :].split()), comment=True)
            (behind if first else before).append(own)
        if first:
            return [], behind
        return (before + behind, []) if last else (before, behind)

    def _row(self, text: str, *, first: bool, last: bool) -> _Row:
        if self.chain.joined.glue == ";":
            return _Row(text if last else f"{text};")
        if self.trailing:
            return _Row(text if last else f"{text} &&")
        return _Row(text if first else f"&& {text}")

    def _assemble(self, rows: list[_Row]) -> str:
        lines: list[str] = []
        for number, row in enumerate(rows):
            indent = self.indent if number else ""
            more = number < len(rows) - 1 and not row.comment
            lines.append(f"{indent}{row.text} {self.document.escape}" if more else f"{indent}{row.text}")
        return self.newline.join(lines)

    def _comment(self, comment: Comment) -> _Row:
        return _Row(self.document.source(comment.span).strip(), comment=True)

    def _source(self, link: Link) -> str:
        """The body as it stands in the document, continuation lines and comments inside included."""
        return self.document.source(body_span(link)) if link.written else link.script.source

    def _part(self, link: Link, part: Part) -> str:
        source = self._source(link)
        if not part.opening or "\n" not in source:
            return f"{part.opening}{source}{part.closing}"
        bracket, prologue = part.opening[0], part.opening[1:].strip()
        inner = self.indent + self.unit
        lines = [bracket, f"{inner}{prologue}"] if prologue else [bracket]
        lines.append(f"{inner}{self._shifted(link, source)}{';' if bracket == '{' else ''}")
        lines.append(f"{self.indent}{part.closing[-1]}")
        return f" {self.document.escape}{self.newline}".join(lines)

    def _shifted(self, link: Link, source: str) -> str:
        """The body's further lines moved in by one step, where that does not change a word."""
        lines = source.split("\n")
        for number in _movable_lines(link, source):
            unit = "\t" if lines[number].startswith("\t") else _UNIT
            lines[number] = unit + lines[number]
        return "\n".join(lines)


def _movable_lines(link: Link, source: str) -> Iterator[int]:
    """Numbers of the lines of ``source`` behind the first that may be indented otherwise: comments, and lines that
    begin between two words."""
    node = link.run.node
    comments = {comment.span.start for comment in node.comments}
    logical = {piece.span.start: piece.offset - node.value_offset for piece in node.pieces}
    lines = source.split("\n")
    at = body_span(link).start + len(lines[0]) + 1
    for number, line in enumerate(lines[1:], 1):
        if line.strip() and (at in comments or _may_be_moved(link.script, logical.get(at))):
            yield number
        at += len(line) + 1


def _may_be_moved(script: Script, offset: int | None) -> bool:
    """Whether white space at ``offset`` of the body separates words already, so that more of it says nothing new."""
    if offset is None or not 0 < offset < script.end:
        return False
    if not (script.text[offset].isspace() or script.text[offset - 1].isspace()):
        return False
    return not any(node.start < offset < node.end and _is_one_word(node.kind) for node in script.root.walk())


def _is_one_word(kind: str) -> bool:
    return kind.endswith(("string", "word", "expansion", "concatenation", "pattern")) or kind in ("regex", "comment")


def _indent_of(document: Document, chain: RunChain) -> str:
    """The least indentation that a continuation line of the bodies has."""
    found = []
    for link in chain.links:
        if link.written:
            source = document.source(body_span(link))
            lines = source.split("\n")
            found += [lines[number][: -len(lines[number].lstrip(" \t"))] for number in _movable_lines(link, source)]
    return min(filter(None, found), key=len, default=_UNIT)


def _prefers_trailing(bodies: list[str]) -> bool:
    """Whether the RUNs write ``&&`` at the ends of their lines rather than at the beginnings."""
    trailing = sum(len(re.findall(r"&&[ \t]*.[ \t]*\r?\n", body)) for body in bodies)
    leading = sum(len(re.findall(r"\n[ \t]*&&", body)) for body in bodies)
    return trailing > leading
