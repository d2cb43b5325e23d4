"""Hostile names in messages: no control characters reach a terminal, no name fills a screen."""

from __future__ import annotations

_LONGEST = 120


def shown(name: bytes | str) -> str:
    """A name in quotes, escaped, shortened."""
    if isinstance(name, str):
        name = name.encode("utf-8", "surrogateescape")
    text = repr(name.decode("utf-8", "backslashreplace"))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 20] + "…'"


def at(where: str, path: bytes | str) -> str:
    """The place of an error: the layer, and the path in it."""
    if isinstance(path, bytes):
        path = path.decode("utf-8", "surrogateescape")
    return f"{where}: {path if path.isprintable() and len(path) <= _LONGEST else shown(path)}"


def plain(text: str) -> str:
    """What somebody else wrote, fit for a message: in one line, without control characters, not too long."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST * 3 else text[: _LONGEST * 3] + "…"
