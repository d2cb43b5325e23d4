"""What an image holds and does not use, for people."""

from __future__ import annotations

from lamella.cli.text.columns import WIDTH, align, shorten_path
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.insight.waste import Waste, WastedPath

_LISTED = 12


def waste_lines(waste: Waste) -> list[str]:
    """The sums, then the largest paths with who brought and who hid them."""
    total = waste.bytes + waste.used
    if not waste.paths:
        return [f"no waste: the final file system uses all {human_size(total)}"]
    share = f" ({100 * waste.bytes / total:.0f}%)" if total else ""
    lines = [f"waste: {human_size(waste.bytes)} of {human_size(total)}{share} is not used by the final file system"]
    if waste.duplicate_bytes:
        lines.append(f"duplicates: {human_size(waste.duplicate_bytes)} of what is used is there more than once")
    rows = [[human_size(path.bytes), _why(path), _layers(path)] for path in waste.paths[:_LISTED]]
    left = align(rows, right=[0])
    indent = max(map(len, left)) + 4
    lines += [
        f"  {cells:<{indent - 2}}{shorten_path(path.path, WIDTH - indent)}"
        for cells, path in zip(left, waste.paths, strict=False)
    ]
    if len(waste.paths) > _LISTED:
        rest = waste.paths[_LISTED:]
        lines.append(f"  … and {count(len(rest), 'path')} more, {human_size(sum(path.bytes for path in rest))}")
    return lines


def _why(path: WastedPath) -> str:
    """The word of the JSON form; for a copy that changed metadata alone also what."""
    if path.why == "metadata":
        return f"metadata ({path.change.replace(',', ', ') or 'nothing changed'})"
    return path.why


def _layers(path: WastedPath) -> str:
    """``layer 1 → 3``: brought by the one, hidden by the other."""
    if path.hidden_by is None:
        return f"layer {path.brought_by}"
    return f"layer {path.brought_by} → {path.hidden_by}"
