"""The view models as JSON, ``"schema": 1``."""

from __future__ import annotations

from typing import Any

from lamella.insight.stack import Base, Row, Stack
from lamella.insight.waste import Waste, WastedPath

SCHEMA = 1


def stack_to_json(stack: Stack, waste: Waste | None = None) -> dict[str, Any]:
    """``size`` is null where it is not known; ``number`` is the layer's number from 0, ``compressed`` the bytes of
    its blob; ``in_base`` marks what came with the base. ``waste`` is there for an image only."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "dialect": stack.dialect or None,
        "target": stack.target,
        "base": _base(stack.base),
        "steps": [_row(row) for row in stack.rows],
        "layers": {"base": stack.base.layers, "added": stack.added, "total": stack.total},
        "size": stack.size,
        "notes": list(stack.notes),
    }
    if waste is not None:
        data["waste"] = waste_to_json(waste)
    return data


def waste_to_json(waste: Waste) -> dict[str, Any]:
    """``change`` is there for ``metadata`` alone, ``twin`` for ``duplicate`` alone."""
    return {
        "bytes": waste.bytes,
        "duplicate_bytes": waste.duplicate_bytes,
        "used_bytes": waste.used,
        "paths": [_wasted(path) for path in waste.paths],
    }


def _wasted(path: WastedPath) -> dict[str, Any]:
    data = path._asdict()
    for key in ("change", "twin"):
        if not data[key]:
            del data[key]
    return data


def _base(base: Base) -> dict[str, Any]:
    return {"reference": base.reference or None, "layers": base.layers, "size": base.size}


def _row(row: Row) -> dict[str, Any]:
    return {
        "line": row.line,
        "instruction": row.instruction,
        "text": row.text,
        "layer": row.layer,
        "reason": row.reason,
        "size": row.size,
        "measured": row.measured,
        "number": row.number,
        "compressed": row.compressed,
        "in_base": row.in_base,
    }
