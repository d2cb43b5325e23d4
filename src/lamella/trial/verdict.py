"""A rewrite on trial, and what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamella.prove.as_json import proof_to_json
from lamella.prove.model import Proof


class Rewritten(NamedTuple):
    """The Dockerfile's text before and after. ``history`` has the name of each pass that changed it and the text as
    it stood then, in order; ``declared`` are the path patterns that they remove on purpose."""

    original: str
    fixed: str
    history: tuple[tuple[str, str], ...] = ()
    declared: tuple[str, ...] = ()

    @property
    def passes(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.history)


class Measure(NamedTuple):
    """One build. ``added`` counts the layers above the base image, ``layers`` all; ``bytes`` are those of file
    contents in all layers, ``compressed`` those of the blobs. ``cached`` of ``steps`` came from the cache, which
    ``seconds`` then do not hold."""

    image_id: str
    added: int
    layers: int
    bytes: int
    compressed: int
    seconds: float
    steps: int
    cached: int


class Verdict(NamedTuple):
    """``before`` and ``again`` are the two builds of the original, the second without the step cache; ``after`` is the
    rewritten one. ``proof`` compares ``before`` with ``after``, the noise between the first two taken off."""

    proof: Proof
    before: Measure
    again: Measure
    after: Measure
    passes: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        return self.proof.same


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """The proof's JSON, with ``before``, ``again`` and ``after`` (image, layers, bytes, seconds) and ``passes``."""
    data = proof_to_json(verdict.proof)
    for name in ("before", "again", "after"):
        data[name] = getattr(verdict, name)._asdict()
    data["passes"] = list(verdict.passes)
    return data
