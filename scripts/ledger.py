"""The table at the end of the demo: what each example was before and is after."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Pairs are before and after; ``size`` is in bytes of file contents."""

    name: str
    instructions: tuple[int, int]
    layers: tuple[int, int]
    size: tuple[int, int]
    proven: bool
    how: str


class Ledger:
    """Collects the rows, and what went wrong."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self.failures: list[str] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if not row.proven:
            self.failures.append(f"{row.name.strip()} is not proven: {row.how}")

    def fail(self, name: str, why: str) -> None:
        self.failures.append(f"{name}: {why.splitlines()[0]}")

    def table(self) -> str:
        head = ("example", "instructions", "layers", "size in MB", "proven", "how")
        lines = [head, *(_cells(row) for row in self._rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        text.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in text) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    sizes = f"{row.size[0] / 1e6:7.2f} → {row.size[1] / 1e6:6.2f}"
    layers = f"{row.layers[0]:2} → {row.layers[1]}"
    return row.name, "{} → {}".format(*row.instructions), layers, sizes, "yes" if row.proven else "NO", row.how
