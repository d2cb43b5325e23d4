"""The verdict as JSON, ``"schema": 1``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamella.prove.model import Difference, Proof

SCHEMA = 1


def proof_to_json(proof: Proof) -> dict[str, Any]:
    """``differences``, ``noise``, ``config``: objects with ``path``, ``what``, ``a``, ``b``; ``declared``: with
    ``path``, ``bytes``, ``pattern``; ``times``: how many paths differ in modification time alone; ``excused``: how
    many differences fell to the noise; ``bytes``: of file contents, on each side."""
    return {
        "schema": SCHEMA,
        "same": proof.same,
        "paths": proof.paths,
        "differences": _differences(proof.differences),
        "noise": _differences(proof.noise),
        "declared": [removal._asdict() for removal in proof.declared],
        "config": _differences(proof.config),
        "times": len(proof.times),
        "excused": len(proof.excused),
        "notes": list(proof.notes),
        "bytes": {"a": proof.a_bytes, "b": proof.b_bytes},
    }


def _differences(differences: Iterable[Difference]) -> list[dict[str, str]]:
    return [difference._asdict() for difference in differences]
