"""The layer stack as a picture in text: an instruction a line, and beside it the layer it makes."""

from __future__ import annotations

import textwrap

from lamella.cli.text.columns import WIDTH, shorten, width
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.insight.stack import Row, Stack

_TEXT = 40  # columns of an instruction
_NO_LAYER = "·"


def stack_lines(stack: Stack) -> list[str]:
    """Title, one line an instruction (the lowest first, as in a Dockerfile), and the sum."""
    rows = [_cells(row) for row in stack.rows]
    if stack.base.reference and not any(row.in_base for row in stack.rows):
        rows.insert(0, _base_cells(stack))
    lines = [_title(stack), "", *_table(rows), "", sum_line(stack)]
    return lines + [f"note: {note}" for note in stack.notes]


def sum_line(stack: Stack) -> str:
    """``base 14 + added 4 = 18 layers, 955MB``; what is not known is a question mark."""
    base, total = (_number(stack.base.layers), _number(stack.total))
    line = f"base {base} + added {stack.added} = {total} layer{'' if stack.total == 1 else 's'}"
    if stack.size is not None:
        return f"{line}, {human_size(stack.size)}"
    known = sum(row.size or 0 for row in stack.rows if not row.in_base)
    unknown = sum(row.layer and row.size is None for row in stack.rows)
    if stack.base.size is not None and unknown:
        known += stack.base.size
        return f"{line}, {human_size(known)} and what {count(unknown, 'step')} will add"
    return line


def _title(stack: Stack) -> str:
    dialect = f", as {stack.dialect} builds it" if stack.dialect else ""
    return f"{stack.title or stack.target}{dialect}"


def _number(number: int | None) -> str:
    return "?" if number is None else str(number)


def _base_cells(stack: Stack) -> tuple[str, str, str, str, str]:
    """The base as one line; a base image's own history is for ``explain`` of that image."""
    base = stack.base
    line = "" if base.line is None else str(base.line)
    if base.layers is None:
        return line, f"FROM {base.reference}", "?", "?", "the base is not in the local store"
    size = "?" if base.size is None else human_size(base.size)
    if not base.layers:
        return line, f"FROM {base.reference}", _NO_LAYER, size, "an empty base has no layers"
    numbers = "0" if base.layers == 1 else f"0-{base.layers - 1}"
    return line, f"FROM {base.reference}", numbers, size, f"the base brings {count(base.layers, 'layer')}"


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    size = "" if not row.layer else "?" if row.size is None else human_size(row.size)
    reason = f"base: {row.reason}" if row.in_base else row.reason
    return "" if row.line is None else str(row.line), row.text, _layer(row), size, reason


def _layer(row: Row) -> str:
    if not row.layer:
        return _NO_LAYER
    return "yes" if row.number is None else str(row.number)


def _table(rows: list[tuple[str, str, str, str, str]]) -> list[str]:
    """Columns: line, instruction, layer, bytes, why. The reasons are wrapped, never cut."""
    header = ("line", "instruction", "layer", "bytes", "why")
    with_lines = any(row[0] for row in rows)
    texts = [shorten(row[1], _TEXT) for row in rows]
    columns = [max(width(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    columns[1] = max(width(text) for text in [header[1], *texts])
    left = (columns[0] + 2 if with_lines else 0) + columns[1] + columns[2] + columns[3] + 6
    lines: list[str] = []
    for (line, _, layer, size, why), text in zip([header, *rows], [header[1], *texts], strict=True):
        reasons = textwrap.wrap(why, max(20, WIDTH - left)) or [""]
        start = f"{line:>{columns[0]}}  " if with_lines else ""
        padded = text + " " * (columns[1] - width(text))
        lines.append(f"{start}{padded}  {layer:>{columns[2]}}  {size:>{columns[3]}}  {reasons[0]}".rstrip())
        lines += [" " * left + rest for rest in reasons[1:]]
    return lines
