"""Arguments of an instruction as words: each keyword has its own way of splitting (BuildKit's line parsers)."""

from __future__ import annotations

import re

from lamella.syntax.request import Request, short
from lamella.syntax.words import (
    BLANKS,
    NotStrings,
    Words,
    blank_separated,
    json_strings,
    quoted_words,
)

_WHOLE = ("MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR")
_COMMAND = ("RUN", "CMD", "ENTRYPOINT", "SHELL")
_LIST = ("ADD", "COPY", "VOLUME")
_TYPE_AND_REST = re.compile(r"(\S+)\s*(.*)", re.DOTALL | re.ASCII)  # BuildKit goes byte by byte here


def read_arguments(request: Request) -> Words:
    """The words behind keyword and flags. Quotes and variables are left in them, but not in JSON's strings.

    ENV and LABEL give key and value in turn; HEALTHCHECK gives its type first; an unknown instruction gives none.
    ONBUILD gives the whole trigger. Raises DockerfileError where BuildKit's parser refuses the shape.
    """
    keyword, value = request.node.keyword, request.node.value
    if keyword in _COMMAND:
        return _json_array(request, value) or _whole(value)
    if keyword in _LIST:
        return _json_array(request, value) or Words(blank_separated(value))
    if keyword in ("EXPOSE", "FROM"):
        return Words(blank_separated(value))
    if keyword in ("ENV", "LABEL"):
        return Words(_pairs(request, value))
    if keyword == "ARG":
        return Words(quoted_words(value, request.document.escape))
    if keyword == "HEALTHCHECK":
        return _type_and_command(request, value)
    return _whole(value) if keyword in _WHOLE or keyword == "ONBUILD" else Words(())


def _whole(value: str) -> Words:
    return Words((value,) if value else ())


def _json_array(request: Request, value: str) -> Words | None:
    try:
        strings = json_strings(value)
    except NotStrings:
        raise request.refuse(
            f"the JSON array of {request.node.keyword} holds something other than strings",
            'put every element in double quotes, for example ["sleep", "10"]',
        ) from None
    if strings is None:
        return None
    if any("\0" in string for string in strings):
        raise request.refuse(
            "a string of the JSON array holds the character U+0000", "no argument can hold it: remove it"
        )
    return Words(strings, json=True)


def _type_and_command(request: Request, value: str) -> Words:
    match = _TYPE_AND_REST.fullmatch(value)
    if match is None:
        return Words(())
    command = _json_array(request, match[2]) or _whole(match[2])
    return Words((match[1], *command.words), command.json)


def _pairs(request: Request, value: str) -> tuple[str, ...]:
    """Keys and values in turn. Without a ``=`` in the first word it is the old form: the rest is one value."""
    words = quoted_words(value, request.document.escape)
    keyword = request.node.keyword
    if not words:
        return ()
    if "=" not in words[0]:
        parts = BLANKS.split(value, maxsplit=1)
        if len(parts) < 2:
            raise request.refuse(f"{keyword} must have two arguments", f"write {keyword} {short(value)}=value")
        return tuple(parts)
    pairs: list[str] = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise request.refuse(
                f"there is no = in {short(word)!r}",
                f'every word of {keyword} must be name=value; put a value with blanks in quotes: name="a b"',
            )
        pairs += (key, text)
    return tuple(pairs)
