"""Aligned columns, and text cut to fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

#: nothing printed for people is wider
WIDTH = 99


def width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def one_line(text: str) -> str:
    """Control characters, which could steer the terminal, and line breaks become spaces; a byte of a file name that is
    not UTF-8 is written ``\\xff``."""
    return text if text.isascii() and text.isprintable() else "".join(map(_harmless, text))


def _harmless(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:x}"
    return char if char.isprintable() else " "


def shorten(text: str, columns: int) -> str:
    """``text`` on one line, cut at the end to fit, with an ellipsis."""
    text = one_line(text)
    if width(text) <= columns:
        return text
    out, used = [], 1
    for char in text:
        used += _char_width(char)
        if used > columns:
            break
        out.append(char)
    return "".join(out).rstrip() + "…"


def differing(before: str, after: str, columns: int) -> tuple[str, str]:
    """Both texts shortened so that where they differ can be seen, with a little of what stands before it."""
    texts = one_line(before), one_line(after)
    if max(map(width, texts)) <= columns:
        return texts
    common = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, common - columns // 3)
    shown = tuple(shorten(("…" if start else "") + text[start:], columns) for text in texts)
    return shown[0], shown[1]


def shorten_path(path: str, columns: int) -> str:
    """``path`` cut in the middle: its beginning and its name tell most."""
    path = one_line(path)
    if width(path) <= columns:
        return path
    tail = columns * 2 // 3
    return path[: columns - tail - 1] + "…" + path[-tail:]


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = (), gap: str = "  ") -> list[str]:
    """Rows of equally many cells as lines; the columns named in ``right`` are flush right."""
    if not rows:
        return []
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for column, cell in enumerate(row):
            padding = " " * (widths[column] - width(cell))
            cells.append(padding + cell if column in right else cell + padding)
        lines.append(gap.join(cells).rstrip())
    return lines
