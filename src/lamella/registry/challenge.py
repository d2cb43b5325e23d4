"""``WWW-Authenticate``: what a server wants to see, parsed.

Source: RFC 9110, sections 11.6.1 (the list of challenges), 5.6.4 (quoted strings) and 11.2 (token68).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAM = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))', re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_TOKEN68 = re.compile(r"[0-9A-Za-z._~+/-]+=*(?=[ \t]*(?:,|$))")
_GAP = re.compile(r"[ \t,]*")
_LIMIT = 16 << 10  # characters


class Challenge(NamedTuple):
    """``scheme`` and the names of ``params`` in lower case. A token68 stands under the name ""."""

    scheme: str
    params: dict[str, str]


def parse_challenges(headers: list[str]) -> list[Challenge]:
    """Of all headers of that name, in their order. What is not understood is left out, with the rest of its header."""
    found: list[Challenge] = []
    for header in headers:
        _parse(header[:_LIMIT], found)
    return found


def _parse(text: str, found: list[Challenge]) -> None:
    position = _skip(text, 0)
    current: Challenge | None = None
    while position < len(text):
        param = _PARAM.match(text, position)
        if param is not None and current is not None:
            quoted, plain = param[2], param[3]
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            current.params.setdefault(param[1].lower(), value)
            position = _skip(text, param.end())
            continue
        scheme = _SCHEME.match(text, position)
        if scheme is None:
            return
        current = Challenge(scheme[1].lower(), {})
        found.append(current)
        position = _skip(text, scheme.end())
        other = _TOKEN68.match(text, position)
        if other is not None and "," not in text[scheme.end() : position] and not _PARAM.match(text, position):
            current.params[""] = other[0]
            position = _skip(text, other.end())


def _skip(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position
