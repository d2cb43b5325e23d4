"""Two images side by side, for people."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.cli.text.columns import WIDTH, align, shorten, shorten_path
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.insight.common import LayerSides
from lamella.insight.stack import Row
from lamella.prove.changes import ADDED, MODIFIED, REMOVED, PathChange
from lamella.prove.model import Difference, Proof

_SIGNS = {ADDED: "+", REMOVED: "-", MODIFIED: "~"}
_LISTED = 200


def difference_lines(
    names: tuple[str, str], sides: LayerSides, changes: Sequence[PathChange], proof: Proof
) -> list[str]:
    """Layers, then paths, then config, then the sums."""
    lines = ["layers: " + _layer_sum(sides)]
    lines += _layer_lines("-", sides.a) + _layer_lines("+", sides.b)
    lines.append("paths: " + _path_sum(changes, proof))
    lines += _path_lines(changes)
    if len(changes) > _LISTED:
        lines.append(f"  … and {count(len(changes) - _LISTED, 'path')} more (--format json lists all)")
    lines.append("config: " + (count(len(proof.config), "difference") if proof.config else "the same"))
    lines += [_config_line(difference) for difference in proof.config]
    sizes = f"{human_size(proof.a_bytes)} in {names[0]}, {human_size(proof.b_bytes)} in {names[1]}"
    return [*lines, f"bytes: {sizes}", *(f"note: {note}" for note in proof.notes)]


def _layer_sum(sides: LayerSides) -> str:
    parts = [f"{count(sides.below, 'layer')} in common"]
    if sides.elsewhere:
        parts.append(f"{sides.elsewhere} at another height")
    if sides.a or sides.b:
        parts.append(f"{len(sides.a)} only in the first, {len(sides.b)} only in the second")
    return ", ".join(parts)


def _layer_lines(sign: str, rows: Sequence[Row]) -> list[str]:
    cells = [[f"  {sign} {row.number}", human_size(row.size or 0), shorten(row.text, WIDTH - 24)] for row in rows]
    return align(cells, right=[1])


def _path_sum(changes: Sequence[PathChange], proof: Proof) -> str:
    if not changes:
        return f"the same {proof.paths:,}" + (f", {count(len(proof.times), 'time')} apart" if proof.times else "")
    numbers = [(kind, sum(change.change == kind for change in changes)) for kind in (ADDED, REMOVED, MODIFIED)]
    return ", ".join(f"{number:,} {kind}" for kind, number in numbers if number) + f" of {proof.paths:,}"


def _path_lines(changes: Sequence[PathChange]) -> list[str]:
    rows = [
        [f"  {_SIGNS[change.change]}", _bytes(change), _layers(change), shorten_path(change.path, 50), _what(change)]
        for change in changes[:_LISTED]
    ]
    return align(rows, right=[1])


def _bytes(change: PathChange) -> str:
    if change.change == MODIFIED:
        grown = change.b_bytes - change.a_bytes
        return f"{'-' if grown < 0 else '+'}{human_size(abs(grown))}" if grown else ""
    return human_size(change.a_bytes or change.b_bytes)


def _layers(change: PathChange) -> str:
    """The layer that brought the path, on each side that has it."""
    a, b = (("?" if layer is None else str(layer)) for layer in (change.a_layer, change.b_layer))
    numbers = {ADDED: b, REMOVED: a, MODIFIED: a if a == b else f"{a} → {b}"}[change.change]
    return f"layer {numbers}"


def _what(change: PathChange) -> str:
    return ", ".join(change.what)


def _config_line(difference: Difference) -> str:
    return shorten(f"  ~ {difference.path}  {difference.a} → {difference.b}", WIDTH)
