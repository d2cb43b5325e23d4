"""Splitting an instruction's text into words, exactly as BuildKit's line parsers do.

Quotes and escapes stay in the words: taking them off is part of variable expansion, which is not done here.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn

#: what Go calls a space (Unicode's White_Space property); Python's own notion also has U+001C to U+001F
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

#: what separates a keyword from the rest and the words of COPY, FROM, EXPOSE …
BLANKS = re.compile(r"[\t\v\f\r ]+")

_SURROGATE = re.compile("[\ud800-\udfff]")

# A word: escaped characters, quoted stretches (an open quote runs to the end) and what is neither. An escape
# character is not special inside single quotes; at the very end of the text it is dropped.
_WORD = r"(?s:{e}.|\"(?:{e}.|[^\"{e}])*+(?:\"|(?P<dangling>{e}?)\Z)|'[^']*+(?:'|\Z)|[^{s}\"'{e}])++"
_WORD_BACKSLASH = re.compile(_WORD.format(e=r"\\", s=SPACE))
_WORD_BACKTICK = re.compile(_WORD.format(e="`", s=SPACE))


class Words(NamedTuple):
    """Arguments of an instruction. ``json`` says that they were a JSON array, hence literal but for variables."""

    words: tuple[str, ...]
    json: bool = False


class NotStrings(ValueError):
    """A JSON array with something other than strings in it."""


def strip(text: str) -> str:
    return text.strip(SPACE)


def blank_separated(text: str) -> tuple[str, ...]:
    """Words between blanks, quotes not minded. ``text`` is stripped."""
    return tuple(BLANKS.split(text)) if text else ()


def quoted_words(text: str, escape: str) -> tuple[str, ...]:
    """Words of ENV, LABEL and ARG: blanks inside quotes or behind the escape character do not separate."""
    pattern = _WORD_BACKTICK if escape == "`" else _WORD_BACKSLASH
    return tuple(match.group()[:-1] if match.group("dangling") else match.group() for match in pattern.finditer(text))


def json_strings(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, or None when ``text`` is no JSON array.

    Raises NotStrings where it is one, but with other things than strings in it: BuildKit refuses that instead of
    taking it as shell form.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text, parse_int=_anything, parse_float=_anything, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(type(item) is str for item in value):
        raise NotStrings
    # A lone surrogate cannot be written as UTF-8; Go's decoder puts the replacement character in its place.
    return tuple(_SURROGATE.sub("\ufffd", item) if not item.isascii() else item for item in value)


def _anything(_: str) -> None:
    """A number's value does not matter: that it is no string does."""


def _no_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's own, not JSON's."""
    raise ValueError(name)
