"""Go's notations, in which BuildKit writes lists, strings and durations into the history.

Source: the Go packages fmt (``%q``, ``%v``), strconv ("Quote") and time ("Duration.String").
"""

from __future__ import annotations

from collections.abc import Iterable

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}


def quote(text: str) -> str:
    """``strconv.Quote``: ``"a\\tb"``."""
    return '"' + "".join('\\"' if character == '"' else _visible(character) for character in text) + '"'


def quote_rune(number: int) -> str:
    """An integer under ``%q``: the character of that number in single quotes, ``'\\x03'``."""
    if not 0 <= number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        number = 0xFFFD
    character = chr(number)
    return "'" + ("\\'" if character == "'" else _visible(character)) + "'"


def quoted_list(texts: Iterable[str]) -> str:
    """``%q`` of a list: ``["a" "b"]``."""
    return "[" + " ".join(quote(text) for text in texts) + "]"


def plain_list(texts: Iterable[str]) -> str:
    """``%v`` of a list: ``[a b]``."""
    return "[" + " ".join(texts) + "]"


def duration(nanoseconds: int) -> str:
    """``1m30s``, ``500ms``, ``1.5s``, ``0s``."""
    if not nanoseconds:
        return "0s"
    if abs(nanoseconds) < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if abs(nanoseconds) >= size:
                return _decimal(nanoseconds, size) + unit
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = _decimal(seconds * 1_000_000_000 + rest, 1_000_000_000) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(abs(value), unit)
    sign = "-" if value < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    fraction = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{sign}{whole}.{fraction}"


def _visible(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
