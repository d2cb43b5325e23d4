"""What a rewrite changed and what it left alone, for people and for programs."""

from __future__ import annotations

from typing import Any

from lamella.rewrite.runner import Rewrite


def change_lines(rewrite: Rewrite) -> list[str]:
    """One line for each change and for each thing left alone, with where and why."""
    name = rewrite.original.name
    lines: list[str] = []
    for change in rewrite.changes:
        lines.append(f"{_where(name, change.lines)}: {change.explanation} [{change.pass_name}]")
        lines += [f"  {detail}" for detail in change.details]
    for left in rewrite.left:
        lines.append(f"{_where(name, left.lines)}: left alone: {left.reason} [{left.pass_name}]")
    if rewrite.declared:
        lines.append("removed on purpose: " + ", ".join(rewrite.declared))
    return lines


def _where(name: str, lines: tuple[int, int]) -> str:
    first, last = lines
    return f"{name}:{first}" if first == last else f"{name}:{first}-{last}"


def rewrite_to_json(rewrite: Rewrite, diff: str) -> dict[str, Any]:
    """``layers`` is how many fewer; ``changes`` and ``left`` name the pass, the lines and why."""
    return {
        "schema": 1,
        "file": rewrite.original.name,
        "changed": rewrite.changed,
        "layers": rewrite.layers,
        "diff": diff,
        "changes": [change._asdict() for change in rewrite.changes],
        "left": [left._asdict() for left in rewrite.left],
        "declared": list(rewrite.declared),
    }
