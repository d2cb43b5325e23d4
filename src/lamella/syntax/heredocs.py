"""Here-documents: which ones an instruction asks for, and their bodies.

BuildKit finds them by splitting the whole logical line into shell words (quotes, backslashes and ``${…}`` minded) and
looking for words such as ``<<EOF``, ``3<<-"EOF"``. The shell's own escape character counts here, whatever the escape
directive says. A line that cannot be split so (an open quote) has no here-documents.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lamella.errors import DockerfileError
from lamella.syntax.head import split_instruction
from lamella.syntax.keywords import HEREDOC_INSTRUCTIONS, normal_keyword
from lamella.syntax.lines import LineReader
from lamella.syntax.nodes import Heredoc, Span
from lamella.syntax.request import short
from lamella.syntax.shellwords import Unreadable, shell_words
from lamella.syntax.words import NotStrings, json_strings, strip

_MARKER = re.compile(r"(\d*)<<(-?)([^<]*)", re.ASCII)
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


class Marker(NamedTuple):
    """``<<-"EOF"`` taken apart; ``text`` is the word as written."""

    text: str
    name: str
    strip_tabs: bool
    expand: bool
    fd: int


def read_heredocs(reader: LineReader, keyword: str, value: str, logical: str, where: str) -> tuple[Heredoc, ...]:
    """Reads the bodies behind an instruction; ``reader`` stands behind the instruction's last line.

    RUN, COPY and ADD have them, also behind ONBUILD, but not in JSON form. ``value`` and ``logical`` are those
    of the instruction, ``where`` its ``file:line``. Raises DockerfileError for a body without end.
    """
    return tuple(_read_body(reader, marker, where) for marker in _markers(keyword, value, logical, where))


def parse_marker(word: str) -> Marker | None:
    """The here-document that one word asks for, None for any other word."""
    try:
        return _marker(word)
    except Unreadable:
        return None


def _marker(word: str) -> Marker | None:
    match = _MARKER.fullmatch(word)
    if match is None or not match[3]:
        return None
    plain = shell_words(match[3], raw=False)
    raw = shell_words(match[3], raw=True)
    if len(plain) != 1 or len(raw) != 1:
        return None
    # A quote that is gone from the plain word was a quoting one: the body is then literal.
    expand = _quotes(plain[0]) == _quotes(raw[0])
    return Marker(word, plain[0], bool(match[2]), expand, int(match[1][:9] or "0"))


def _quotes(word: str) -> int:
    return word.count('"') + word.count("'")


def _markers(keyword: str, value: str, logical: str, where: str) -> tuple[Marker, ...]:
    """Here-documents of an instruction, in the order in which their bodies follow."""
    if keyword == "ONBUILD":
        inner, _, offset = split_instruction(value)
        keyword, value = normal_keyword(inner), strip(value[offset:])
    if keyword not in HEREDOC_INSTRUCTIONS:
        return ()
    try:
        words = shell_words(logical, raw=True) if json_strings(value) is None else []
    except (NotStrings, Unreadable):
        return ()
    markers = []
    for word in words:
        try:
            markers.append(_marker(word))
        except Unreadable:
            raise DockerfileError(
                f"the heredoc {short(word)!r} has an open ${{ in its name",
                where=where,
                hint="give the heredoc a plain name such as EOF",
            ) from None
    return tuple(marker for marker in markers if marker is not None)


def _read_body(reader: LineReader, marker: Marker, where: str) -> Heredoc:
    start, number = reader.at, reader.number + 1
    while (line := reader.take()) is not None:
        content = reader.text[line.start : line.end]
        if (content.lstrip("\t") if marker.strip_tabs else content) == marker.name:
            body = reader.text[start : line.start]
            return Heredoc(
                span=Span(start, line.next),
                line=number,
                name=marker.name,
                marker=marker.text,
                content=_LEADING_TABS.sub("", body) if marker.strip_tabs else body,
                expand=marker.expand,
                strip_tabs=marker.strip_tabs,
                fd=marker.fd,
            )
    raise DockerfileError(
        f"unterminated heredoc {short(marker.text)}",
        where=where,
        hint=f"add a line that holds {short(marker.name)} and nothing else",
    )
