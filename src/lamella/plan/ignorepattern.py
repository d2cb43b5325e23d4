"""One pattern of an ignore file, as Docker's matcher reads it.

``*`` and ``?`` stop at ``/``, ``**`` does not, and ``**/`` may also be nothing. Docker writes the pattern as a
regular expression, character by character, without looking at what stands inside of brackets or behind a backslash;
so a pattern with those can mean something else than in ``filepath.Match``. It is done the same way here: first
Docker's expression, then the same expression in Python's dialect.
Source: the Dockerfile reference, ".dockerignore file", and the behaviour of moby/patternmatcher.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lamella.errors import ContextError
from lamella.plan.glob import compile_glob

#: how a path is matched; the first three are plain text
EXACT, PREFIX, SUFFIX, REGEX = "exact", "prefix", "suffix", "regex"


class IgnorePattern(NamedTuple):
    """``written`` is the line as it stands in the file, stripped; ``text`` is cleaned and without the ``!`` that
    makes it an ``exception``. ``literal`` is what a path equals, begins or ends with, by ``kind``; ``regex`` is an
    expression for the whole path, whatever the kind."""

    line: int
    written: str
    text: str
    exception: bool
    kind: str
    literal: str
    regex: str


def parse_pattern(text: str, line: int, written: str, where: str) -> IgnorePattern:
    """``text`` is cleaned, a leading ``!`` included. Raises ContextError with ``where``."""
    exception = text.startswith("!")
    text = text[1:] if exception else text
    if not text:
        raise ContextError(
            "'!' has no pattern behind it", where=where, hint="write '!path' to take a path back in", code="bad-pattern"
        )
    compile_glob(text, where)  # for its complaint: what filepath.Match refuses, Docker refuses
    kind, expression = _expression(text)
    if kind == EXACT:
        return IgnorePattern(line, written, text, exception, kind, text, re.escape(text) + r"\Z")
    if kind == PREFIX:
        return IgnorePattern(line, written, text, exception, kind, text[:-2], re.escape(text[:-2]))
    if kind == SUFFIX:
        tail = text[2:]
        regex = rf"(?s:.*){re.escape(tail)}\Z"
        if tail.startswith("/"):  # "**/name" is also the name at the top
            regex = rf"(?:(?s:.*)/)?{re.escape(tail[1:])}\Z"
        return IgnorePattern(line, written, text, exception, kind, tail, regex)
    regex = _in_python(expression, text, where) + r"\Z"
    return IgnorePattern(line, written, text, exception, kind, "", regex)


def _expression(text: str) -> tuple[str, str]:
    """The kind of the pattern, and the expression that Docker makes of it."""
    kind, expression = EXACT, ""
    at = 0
    while at < len(text):
        start, character = at, text[at]
        at += 1
        if text.startswith("**", start):
            at += 1 + text.startswith("/", start + 2)
            ends = at == len(text)
            expression += ".*" if ends else "(.*/)?"
            kind = SUFFIX if not start else PREFIX if ends and kind == EXACT else REGEX
        elif character in "*?":
            expression += "[^/]*" if character == "*" else "[^/]"
            kind = REGEX
        elif character in ".+()|{}$":
            expression += "\\" + character
        elif character == "\\":
            expression += text[start : start + 2]
            at += 1
            kind = REGEX
        else:
            expression += character
            kind = REGEX if character in "[]" else kind
    return kind, expression


#: what a letter behind a backslash stands for in Docker's expressions
_ESCAPES = {
    "d": "[0-9]", "D": "[^0-9]", "s": r"[\t\n\f\r ]", "S": r"[^\t\n\f\r ]", "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]", "b": r"(?a:\b)", "B": r"(?a:\B)", "A": r"\A", "z": r"\Z",
    "a": r"\a", "f": r"\f", "n": r"\n", "r": r"\r", "t": r"\t", "v": r"\v",
}  # fmt: skip
#: … and inside of brackets
_CLASS_ESCAPES = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"} | {c: _ESCAPES[c] for c in "afnrtv"}
_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ", "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def _in_python(expression: str, text: str, where: str) -> str:
    """The expression in Python's dialect: escapes and brackets are spelled out, all else is the same in both."""
    result = ""
    at = 0
    while at < len(expression):
        character = expression[at]
        at += 1
        if character == "\\":
            result += _escaped(expression[at : at + 1], _ESCAPES, text, where)
            at += 1
        elif character == "[":
            piece, at = _brackets(expression, at, text, where)
            result += piece
        elif character in "^.*?()]":
            result += character
        else:
            result += re.escape(character)
    return result


def _brackets(expression: str, at: int, text: str, where: str) -> tuple[str, int]:
    """What is between the ``[`` before ``at`` and its ``]``."""
    negated = expression[at : at + 1] == "^"
    at += negated
    inside = ""
    while not (inside and expression[at : at + 1] == "]"):
        posix = re.compile(r"\[:(\w+):\]").match(expression, at)
        if posix and posix[1] in _POSIX_CLASSES:
            inside += _POSIX_CLASSES[posix[1]]
            at = posix.end()
            continue
        low, at = _bracket_character(expression, at, text, where)
        inside += low
        is_class = len(low) > 2
        if not is_class and expression[at : at + 1] == "-" and expression[at + 1 : at + 2] not in ("]", ""):
            high, at = _bracket_character(expression, at + 1, text, where)
            inside += f"-{high}"
    if not inside:
        raise _bad(text, "its brackets are empty", where)
    piece = f"[{'^' if negated else ''}{inside}]"
    try:
        re.compile(piece)
    except re.error as error:
        raise _bad(text, str(error), where) from None
    return piece, at + 1


def _bracket_character(expression: str, at: int, text: str, where: str) -> tuple[str, int]:
    character = expression[at : at + 1]
    if character == "\\" and at + 1 < len(expression):
        return _escaped(expression[at + 1], _CLASS_ESCAPES, text, where), at + 2
    if not character:
        raise _bad(text, "a '[' is not closed", where)
    return re.escape(character) if character in r"[]^-\&~|" else character, at + 1


def _escaped(character: str, letters: dict[str, str], text: str, where: str) -> str:
    if character.isascii() and character.isalnum():
        if character not in letters:
            raise _bad(text, f"'\\{character}' means nothing", where)
        return letters[character]
    return re.escape(character)


def _bad(text: str, why: str, where: str) -> ContextError:
    return ContextError(
        f"{text!r} is not a pattern: {why}",
        where=where,
        hint="folders are separated by '/', and a backslash protects only what is special",
        code="bad-pattern",
    )
