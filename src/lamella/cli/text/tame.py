"""Words of others, as they are shown: a registry, an archive or a Dockerfile may have put anything into them."""

from __future__ import annotations

_LONGEST = 8000  # characters


def tamed(text: str) -> str:
    """``text`` without control characters but ends of lines and tabs, and not endless: nothing steers the terminal."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    if text.isprintable():
        return text
    return "".join(repr(char)[1:-1] if _steers(char) else char for char in text)


def _steers(char: str) -> bool:
    return (char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f"
