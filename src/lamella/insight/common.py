"""Two stacks of layers side by side: which layers they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from lamella.insight.stack import Row, Stack


class LayerSides(NamedTuple):
    """``below`` counts the layers that both stacks begin with; ``a`` and ``b`` are the layers that one side alone has
    (by diff ID), ``elsewhere`` counts those that both have at different heights."""

    below: int
    elsewhere: int
    a: tuple[Row, ...]
    b: tuple[Row, ...]

    @property
    def same(self) -> bool:
        return not (self.a or self.b or self.elsewhere)


def compare_stacks(a: Stack, b: Stack) -> LayerSides:
    """Both must be of images, with all their layers."""
    ids_a, ids_b = [layer.diff_id for layer in a.layers], [layer.diff_id for layer in b.layers]
    below = 0
    for one, other in zip(ids_a, ids_b, strict=False):
        if one != other:
            break
        below += 1
    common = Counter(ids_a[below:]) & Counter(ids_b[below:])
    return LayerSides(below, common.total(), _own(a, ids_a, below, common), _own(b, ids_b, below, common))


def _own(stack: Stack, ids: Sequence[str], below: int, common: Counter[str]) -> tuple[Row, ...]:
    left = common.copy()
    rows = {row.number: row for row in stack.rows if row.number is not None}
    own: list[Row] = []
    for number in range(below, len(ids)):
        if left[ids[number]] > 0:
            left[ids[number]] -= 1
        else:
            own.append(rows[number])
    return tuple(own)
