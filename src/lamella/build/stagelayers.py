"""Which step made which layer of each stage."""

from __future__ import annotations

from collections.abc import Mapping

from lamella.build.machine import all_layers
from lamella.build.request import StageLayers
from lamella.build.stage_build import StageResult
from lamella.plan.stage import BaseImage, BaseStage, Plan


def stage_layers(plan: Plan, results: Mapping[int, StageResult]) -> tuple[StageLayers, ...]:
    """The target first, then the stages that no other one stands on, the last first."""
    starts: dict[int, int] = {}
    for number in plan.order:
        starts[number] = sum(len(results[earlier].reports) for earlier in starts)
    found: list[StageLayers] = []
    covered: set[int] = set()
    for number in reversed(plan.order):
        if number in covered:
            continue
        chain = _chain(plan, number)
        covered.update(chain)
        steps = [
            starts[one] + position
            for one in chain
            for position, report in enumerate(results[one].reports)
            if report.layer is not None
        ]
        layers = all_layers(results[number].level)
        base = plan.stages[chain[0]].base
        reference = base.reference if isinstance(base, BaseImage) else ""
        name = plan.stages[number].name or str(number)
        found.append(StageLayers(name, tuple(chain), reference, len(layers) - len(steps), layers, tuple(steps)))
    return tuple(found)


def _chain(plan: Plan, number: int) -> list[int]:
    """The stage and those that it stands on, the lowest first."""
    chain = [number]
    while isinstance(base := plan.stages[chain[0]].base, BaseStage):
        chain.insert(0, base.number)
    return chain
