"""Expansion of variables in the words of a Dockerfile, outside of RUN, CMD and ENTRYPOINT text.

Not the shell's own expansion: the builder's, which has its own rules. A character after the escape character loses
its meaning (in double quotes only ``"``, ``$`` and the escape character do); ``$v`` is cut at white space only when
words are asked for; ``${v#p}`` and its kind know ``*`` and ``?`` and no classes.
Source: the Dockerfile reference, "Environment replacement", and the behaviour of BuildKit's shell lexer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamella.errors import DockerfileError
from lamella.shell.patterns import PatternError, remove_prefix, remove_suffix, replace_matches

#: Gives a variable's value, or None where it is not set.
Lookup = Callable[[str], str | None]

_SPECIAL_PARAMETERS = frozenset("@*#?-$!")
#: what Unicode calls white space (``str.isspace`` also takes four control characters)
_SPACE = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
#: nesting of ``${a:-${b:-…}}`` that is followed; deeper text is refused, it is nobody's Dockerfile
MAX_DEPTH = 100
_HINT = "a variable reads ${NAME} or ${NAME:-default}; write \\$ for a dollar sign that is meant"


class Expansion(NamedTuple):
    """``text`` in one piece, and cut into ``words``. ``used`` are the variables that were looked up and set,
    ``unset`` those that were not, each once, in order. ``missing`` are those of the unset ones that became nothing
    without the text providing for it by ``-``, ``+`` or ``?``."""

    text: str
    words: tuple[str, ...]
    used: tuple[str, ...]
    unset: tuple[str, ...]
    missing: tuple[str, ...] = ()


def expand(text: str, lookup: Lookup, *, escape: str = "\\", where: str) -> str:
    """One word out of ``text``, white space kept, quotes taken off. Raises DockerfileError with ``where``."""
    if not _has_special(text, escape):
        return text
    return analyse(text, lookup, escape=escape, where=where).text


def expand_words(text: str, lookup: Lookup, *, escape: str = "\\", where: str) -> tuple[str, ...]:
    """``text`` expanded and then cut at white space that is not quoted. Raises DockerfileError with ``where``."""
    return analyse(text, lookup, escape=escape, where=where).words


def expand_body(text: str, lookup: Lookup, *, where: str) -> str:
    """A heredoc's body: variables and ``\\`` count, quotes are ordinary characters. Raises DockerfileError."""
    if not _has_special(text, "\\"):
        return text
    return analyse(text, lookup, where=where, quotes=False).text


def expand_for_display(text: str, lookup: Lookup, *, escape: str = "\\") -> str:
    """For a person to read: known variables are replaced, quotes and unset variables stay as written.

    Text that cannot be expanded comes back as it is.
    """
    try:
        return analyse(text, lookup, escape=escape, where="", keep_quotes=True, keep_unset=True).text
    except DockerfileError:
        return text


def analyse(
    text: str,
    lookup: Lookup,
    *,
    escape: str = "\\",
    where: str,
    quotes: bool = True,
    keep_quotes: bool = False,
    keep_unset: bool = False,
) -> Expansion:
    """The expansion with all that is known about it.

    ``quotes`` False treats them as ordinary characters; ``keep_quotes`` leaves them in the text; ``keep_unset``
    leaves ``$name`` of an unset variable as it is. Raises DockerfileError with ``where``.
    """
    run = _Run(text, lookup, escape=escape, quotes=quotes, keep_quotes=keep_quotes, keep_unset=keep_unset)
    try:
        expanded, words = run.until(None, raw_escapes=False)
    except PatternError as error:
        raise DockerfileError(
            f"cannot expand {_shorten(text)!r}: {error}", where=where, hint=error.hint or _HINT
        ) from None
    return Expansion(expanded, words, tuple(run.used), tuple(run.unset), tuple(run.missing))


def _has_special(text: str, escape: str) -> bool:
    return "$" in text or escape in text or '"' in text or "'" in text


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


class _Words:
    """Collects the words of one stretch. An unquoted blank ends a word; a quoted or escaped one belongs to it."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._word = ""

    def add(self, text: str) -> None:
        for character in text:
            if character not in _SPACE:
                self._word += character
            elif self._word:
                self._done.append(self._word)
                self._word = ""

    def add_quoted(self, text: str) -> None:
        self._word += text

    def all(self) -> tuple[str, ...]:
        # an empty word, even a quoted one, is no word
        return (*self._done, self._word) if self._word else tuple(self._done)


class _Run:
    """One pass over one text; ``_at`` is where it stands."""

    def __init__(
        self, text: str, lookup: Lookup, *, escape: str, quotes: bool, keep_quotes: bool, keep_unset: bool
    ) -> None:
        self._text = text
        self._at = 0
        self._lookup = lookup
        self._escape = escape
        self._quotes = quotes
        self._keep_quotes = keep_quotes
        self._keep_unset = keep_unset
        self._raw_escapes = False
        self._depth = 0
        self.used: dict[str, None] = {}
        self.unset: dict[str, None] = {}
        self.missing: dict[str, None] = {}

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._text[self._at : self._at + 1]
        self._at += 1
        return character

    def until(self, stop: str | None, raw_escapes: bool) -> tuple[str, tuple[str, ...]]:
        """Up to and with ``stop`` (None: the end), expanded; ``raw_escapes`` keeps escape characters for a pattern."""
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError("it is nested too deeply")
        result: list[str] = []
        words = _Words()
        while (character := self._peek()) != (stop or ""):
            if not character:
                raise PatternError(f"'{stop}' is missing at its end")
            if character == "$":
                value = self._dollar()
                words.add(value)
            elif self._quotes and character in "'\"":
                value = self._single_quoted() if character == "'" else self._double_quoted()
                words.add_quoted(value)
            elif character == self._escape:
                value = self._escaped()
                words.add_quoted(value)
            else:
                value = self._next()
                words.add(value)
            result.append(value)
        self._at += 1
        self._depth -= 1
        self._raw_escapes = before
        return "".join(result), words.all()

    def _escaped(self) -> str:
        escape, character = self._next(), self._next()
        return escape + character if self._raw_escapes else character

    def _single_quoted(self) -> str:
        start = self._at
        end = self._text.find("'", start + 1)
        if end < 0:
            raise PatternError("a single quote is not closed", hint="write \\' or \"'\" for a literal quote")
        self._at = end + 1
        return self._text[start : end + 1] if self._keep_quotes else self._text[start + 1 : end]

    def _double_quoted(self) -> str:
        quote = self._next() if self._keep_quotes else self._next()[:0]
        result = [quote]
        while (character := self._peek()) != '"':
            if not character:
                raise PatternError("a double quote is not closed", hint="write \\\" or '\"' for a literal quote")
            if character == "$":
                result.append(self._dollar())
            elif character == self._escape:
                result.append(self._escaped_in_quotes())
            else:
                result.append(self._next())
        self._at += 1
        return "".join(result) + quote

    def _escaped_in_quotes(self) -> str:
        """Only the quote, ``$`` and the escape character itself lose the escape; before others it stays."""
        escape = self._next()
        kept = escape if self._raw_escapes else ""
        if self._peek() in ('"', "$", self._escape):
            return kept + self._next()
        return kept + escape

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() == "{":
            self._at += 1
            return self._braced()
        name = self._name()
        if not name:
            return "$"
        value = self._value(name)
        return f"${name}" if value is None and self._keep_unset else value or ""

    def _name(self) -> str:
        """Digits, or one special parameter, or letters, digits and ``_``; "" where none stands here."""
        start = self._at
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._at += 1
        elif first in _SPECIAL_PARAMETERS:
            self._at += 1
        else:
            while (character := self._peek()).isalpha() or character.isdecimal() or character == "_":
                self._at += 1
        return self._text[start : self._at]

    def _value(self, name: str, *, provided_for: bool = False) -> str | None:
        value = self._lookup(name)
        (self.unset if value is None else self.used)[name] = None
        if value is None and not provided_for:
            self.missing[name] = None
        return value

    def _braced(self) -> str:
        """What follows ``${``, up to its ``}``."""
        if self._peek() in ("{", "}", ":"):
            raise PatternError("'${' is followed by no variable name")
        name = self._name()
        modifier = self._next()
        if modifier == "}":
            value = self._value(name)
            return f"${{{name}}}" if value is None and self._keep_unset else value or ""
        if modifier == "/":
            return self._replace(name)
        colon = modifier == ":"
        if colon:
            modifier = self._next()
        if not modifier:
            raise PatternError("'}' is missing at its end")
        if modifier not in ("+", "-", "?", "#", "%") and not colon:
            raise PatternError(f"'{modifier}' after the name {name!r} has no meaning", hint=_MODIFIERS)
        word, _ = self.until("}", raw_escapes=modifier in "#%")
        value = self._value(name, provided_for=modifier in "+-?")
        if value is None and self._keep_unset:
            return f"${{{name}{':' if colon else ''}{modifier}{word}}}"
        return _modified(name, colon, modifier, word, value)

    def _replace(self, name: str) -> str:
        """``${name/pattern/by}``: the first match; with two slashes every match."""
        every = self._peek() == "/"
        if every:
            self._at += 1
        pattern, _ = self.until("/", raw_escapes=True)
        by, _ = self.until("}", raw_escapes=True)
        value = self._value(name)
        if value is None and self._keep_unset:
            return f"${{{name}{'//' if every else '/'}{pattern}/{by}}}"
        return replace_matches(pattern, by, value or "", every=every)


_MODIFIERS = "known are :- - :+ + :? ? # ## % %% / and //"


def _modified(name: str, colon: bool, modifier: str, word: str, value: str | None) -> str:
    """``${name:-word}`` and its kind; with ``colon`` an empty value counts as unset."""
    missing = value is None or (colon and value == "")
    if modifier == "-":
        return word if missing else value or ""
    if modifier == "+":
        return "" if missing else word
    if modifier == "?":
        if missing:
            state = "not set" if value is None else "empty"
            raise PatternError(f"{name}: {word}" if word else f"{name} is {state} and must not be")
        return value or ""
    if modifier == "#":
        return remove_prefix(word, value or "")
    if modifier == "%":
        return remove_suffix(word, value or "")
    raise PatternError(f"':{modifier}' after the name {name!r} has no meaning", hint=_MODIFIERS)
