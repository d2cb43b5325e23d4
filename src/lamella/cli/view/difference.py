"""``diff`` as JSON, ``"schema": 1``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.insight.common import LayerSides
from lamella.insight.stack import Row
from lamella.prove.changes import PathChange
from lamella.prove.model import Proof


def difference_to_json(sides: LayerSides, changes: Sequence[PathChange], proof: Proof) -> dict[str, Any]:
    """``same`` says whether the state is (file system and config), ``same_layers`` whether it is in the same layers.

    ``layers``: how many both begin with (``below``), how many they share at different heights (``elsewhere``), and
    what each has alone. ``paths``: see :class:`PathChange`. ``times``: paths that differ in modification time alone."""
    return {
        "schema": 1,
        "same": proof.same,
        "same_layers": sides.same,
        "layers": {
            "below": sides.below,
            "elsewhere": sides.elsewhere,
            "a": [_layer(row) for row in sides.a],
            "b": [_layer(row) for row in sides.b],
        },
        "compared": proof.paths,
        "paths": [change.to_json() for change in changes],
        "config": [difference._asdict() for difference in proof.config],
        "times": len(proof.times),
        "bytes": {"a": proof.a_bytes, "b": proof.b_bytes},
    }


def _layer(row: Row) -> dict[str, Any]:
    return {"number": row.number, "text": row.text, "size": row.size, "compressed": row.compressed}
