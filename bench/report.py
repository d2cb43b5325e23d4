"""How a result is shown."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from measure import Case, Sample

OURS = "lamella"


class Result(NamedTuple):
    """``daemon_peak`` is dockerd's highest resident set while it worked, in bytes."""

    case: Case
    samples: dict[str, list[Sample]]
    medians: dict[str, float]
    daemon_peak: int


def print_result(result: Result) -> None:
    """Medians with their spread, peak memory, and our ratio to each peer beside its target."""
    targets = {target.peer: target.ratio for target in result.case.targets}
    ours = result.medians.get(OURS)
    rounds = min(len(taken) for taken in result.samples.values())
    print(f"{result.case.title}  (median of {rounds})")
    for name, taken in result.samples.items():
        seconds = [sample.seconds for sample in taken]
        peak = max(sample.peak for sample in taken) / 1e6
        line = f"  {name:<18}{result.medians[name]:>8.3f} s  ({min(seconds):.3f} to {max(seconds):.3f}){peak:>7.0f} MB"
        if ours is not None and name != OURS:
            line += f"   lamella / {name}: {ours / result.medians[name]:.2f}"
            line += verdict(ours / result.medians[name], targets.get(name))
        if name == OURS and result.case.memory is not None:
            line += f"   to stay under {result.case.memory / 1e6:.0f} MB: "
            line += "reached" if peak * 1e6 < result.case.memory else "NOT reached"
        print(line)
        if name == "docker" and result.daemon_peak:
            print(f"  {'':<18}{'':>10}  {'its dockerd':>16}{result.daemon_peak / 1e6:>9.0f} MB")
    print(flush=True)


def verdict(ratio: float, target: float | None) -> str:
    if target is None:
        return ""
    return f", to reach {target:g}: {'reached' if ratio <= target else 'NOT reached'}"


def as_json(results: list[Result], machine: str) -> dict[str, Any]:
    return {"schema": 1, "machine": machine, "cases": [_case(result) for result in results]}


def _case(result: Result) -> dict[str, Any]:
    return {
        "case": result.case.key,
        "title": result.case.title,
        "targets": {target.peer: target.ratio for target in result.case.targets},
        "daemon_peak": result.daemon_peak,
        "tools": {
            name: {
                "median": statistics.median(sample.seconds for sample in taken),
                "seconds": [sample.seconds for sample in taken],
                "peak": max(sample.peak for sample in taken),
            }
            for name, taken in result.samples.items()
        },
    }
