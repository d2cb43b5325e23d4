"""Patterns of ``${name#pattern}``, ``${name%pattern}`` and ``${name/pattern/by}``: ``*``, ``?``, and escapes by ``\\``.

Matching takes time in proportion to pattern times value, whatever the pattern: nothing backtracks.
Source: POSIX shell, "Pattern Matching Notation", less its bracket expressions, as BuildKit reads it.
"""

from __future__ import annotations

import re

_STAR, _ANY = 0, 1
#: one part of a pattern: _STAR, _ANY, or the character itself
_Token = int | str


class PatternError(Exception):
    """Text that cannot be expanded; ``hint`` says what to write."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def remove_prefix(word: str, value: str) -> str:
    """``${value#word}``; a further ``#`` at the start of ``word`` asks for the longest match."""
    longest = word.startswith("#")
    end = _ends(_tokens(word[1:] if longest else word), value, longest)[0]
    return value if end < 0 else value[end:]


def remove_suffix(word: str, value: str) -> str:
    """``${value%word}``; a further ``%`` at the start of ``word`` asks for the longest match."""
    longest = word.startswith("%")
    tokens = _tokens(word[1:] if longest else word)
    end = _ends(tokens[::-1], value[::-1], longest)[0]
    return value if end < 0 else value[: len(value) - end]


def replace_matches(pattern: str, by: str, value: str, *, every: bool) -> str:
    """``${value/pattern/by}`` or, with ``every``, ``${value//pattern/by}``; each match is as long as can be."""
    ends = _ends(_tokens(pattern), value, longest=True)
    if not every:
        start = next((start for start, end in enumerate(ends) if end >= 0), None)
        return value if start is None else value[:start] + by + value[ends[start] :]
    result: list[str] = []
    copied, start, last_end = 0, 0, -1
    while start <= len(value):
        end = ends[start]
        if end < 0 or (end == start == last_end):  # an empty match right behind a match does not count
            start += 1
            continue
        result.append(value[copied:start] + _filled(by, value[start:end]))
        copied = last_end = end
        start = end if end > start else start + 1
    return "".join(result) + value[copied:]


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "\\":
            following = pattern[at : at + 1]
            # "}" and "/" need the escape only to get past the end of the word
            if following not in ("*", "?", "\\", "}", "/") or not following:
                raise PatternError(f"'\\{following}' is no escape in a pattern", hint="\\* \\? \\\\ \\} and \\/ are")
            tokens.append(following)
            at += 1
        else:
            tokens.append({"*": _STAR, "?": _ANY}.get(character, character))
    return tokens


def _ends(tokens: list[_Token], value: str, longest: bool) -> list[int]:
    """For each start in ``value`` (its end included) where the match from there ends, -1 for none.

    ``longest`` prefers each ``*`` to take more rather than less. Neither wildcard takes a line feed.
    """
    size = len(value)
    ends = list(range(size + 1))  # nothing left of the pattern: it ends where it starts
    for token in reversed(tokens):
        after = ends
        ends = [-1] * (size + 1)
        if token == _STAR:
            for at in range(size, -1, -1):
                further = ends[at + 1] if at < size and value[at] != "\n" else -1
                options = (further, after[at]) if longest else (after[at], further)
                ends[at] = options[0] if options[0] >= 0 else options[1]
        else:
            for at in range(size):
                if value[at] == token or (token == _ANY and value[at] != "\n"):
                    ends[at] = after[at + 1]
    return ends


#: compiled when first used: start-up time is a feature
_TEMPLATE = r"\$(?:\$|(\w+)|\{(\w+)\})"


def _filled(by: str, match: str) -> str:
    """BuildKit replaces every match by a template, in which ``$0`` is the match and other ``$name`` are empty."""
    if "$" not in by:
        return by

    def fill(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return "$" if name is None else match if name.isdecimal() and int(name) == 0 else ""

    return re.sub(_TEMPLATE, fill, by)
