"""Patterns of COPY and ADD sources: those of Go's ``filepath.Match``, rule for rule.

``*`` and ``?`` take anything but ``/``; ``[a-z]`` and ``[^a-z]`` take one character, ``/`` too; ``\\`` protects the
next character. The whole name must match. Source: the Go package path/filepath, "Match".

Time is in proportion to pattern times name, whatever the pattern: behind each ``*`` the first place that fits is
taken and never looked at again, as Go does it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from lamella.errors import ContextError

_MAGIC = frozenset("*?[\\")


class _Chunk(NamedTuple):
    """A stretch without ``*``; ``star`` says that one stands before it. It matches exactly ``size`` characters."""

    star: bool
    size: int
    regex: re.Pattern[str]


class Glob(NamedTuple):
    """A compiled pattern; made by :func:`compile_glob`."""

    pattern: str
    chunks: tuple[_Chunk, ...]

    def match(self, name: str) -> bool:
        """Whether the whole of ``name`` matches."""
        at = 0
        last = len(self.chunks) - 1
        for number, chunk in enumerate(self.chunks):
            if not chunk.star:  # only the first chunk
                if not chunk.regex.match(name):
                    return False
                at = chunk.size
                continue
            if number == last:
                start = len(name) - chunk.size
                return start >= at and "/" not in name[at:start] and chunk.regex.match(name, start) is not None
            found = chunk.regex.search(name, at)
            if found is None or "/" in name[at : found.start()]:
                return False
            at = found.end()
        return at == len(name)


def has_magic(pattern: str) -> bool:
    """Whether ``pattern`` is more than a plain path (an escape counts: it must be taken out by matching)."""
    return not _MAGIC.isdisjoint(pattern)


def match(pattern: str, name: str, where: str | None = None) -> bool:
    """``filepath.Match(pattern, name)``. Raises ContextError for a pattern that is none."""
    return compile_glob(pattern, where).match(name)


@lru_cache(maxsize=256)
def compile_glob(pattern: str, where: str | None = None) -> Glob:
    """Raises ContextError, with ``where``, for a pattern that is none: an open ``[``, an empty class, a ``\\`` at
    the end."""
    chunks: list[_Chunk] = []
    star, size, regex = False, 0, ""
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "*":
            if size or not at:
                chunks.append(_Chunk(star, size, re.compile(regex)))
            star, size, regex = True, 0, ""
            at += 1
            continue
        if character == "?":
            piece, at = "[^/]", at + 1
        elif character == "[":
            piece, at = _class(pattern, at + 1, where)
        elif character == "\\":
            if at + 1 == len(pattern):
                raise _bad(pattern, "it ends in a backslash", where)
            piece, at = re.escape(pattern[at + 1]), at + 2
        else:
            piece, at = re.escape(character), at + 1
        regex += piece
        size += 1
    chunks.append(_Chunk(star, size, re.compile(regex)))
    return Glob(pattern, tuple(chunks))


def _class(pattern: str, at: int, where: str | None) -> tuple[str, int]:
    """The class that starts behind the ``[`` before ``at``, as a regex, and where it ends."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern[at : at + 1] == "]"):
        low, at = _class_character(pattern, at, where)
        high = low
        if pattern[at] == "-":
            high, at = _class_character(pattern, at + 1, where)
        ranges.append((low, high))
    inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high)
    if not inside:
        return (r"[\s\S]" if negated else r"(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _class_character(pattern: str, at: int, where: str | None) -> tuple[str, int]:
    """One end of a range; something must follow it."""
    if pattern[at : at + 1] in ("-", "]"):
        raise _bad(pattern, f"'{pattern[at]}' in a class needs a backslash", where)
    at += pattern[at : at + 1] == "\\"
    if at + 1 >= len(pattern):
        raise _bad(pattern, "a '[' is not closed", where)
    return pattern[at], at + 1


def _bad(pattern: str, why: str, where: str | None) -> ContextError:
    return ContextError(
        f"{pattern!r} is not a pattern: {why}",
        where=where,
        hint="write \\[ for a literal bracket, \\\\ for a literal backslash",
        code="bad-pattern",
    )
