"""Shared by the tests of the plan: text to plan to steps in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lamella.oci.config import RunConfig
from lamella.oci.platform import Platform
from lamella.plan.graph import plan_document
from lamella.plan.lower import lower_stage
from lamella.plan.stage import BaseStage, LoweredStage, Plan, PlanOptions, StageState
from lamella.syntax.parser import parse


@pytest.fixture(scope="session")
def plan() -> Callable[..., Plan]:
    """``plan(text, **options)``."""

    def make(text: str, **options: Any) -> Plan:
        return plan_document(parse(text), PlanOptions(**options))

    return make


@pytest.fixture(scope="session")
def lower() -> Callable[..., LoweredStage]:
    """``lower(text, config=…, **options)``: the target stage, on stages below it and an image of that config."""

    def make(text: str, *, config: RunConfig | None = None, **options: Any) -> LoweredStage:
        plan = plan_document(parse(text), PlanOptions(**options))
        state = None if config is None else StageState(config, Platform("linux", "amd64"))

        def lowered(number: int) -> LoweredStage:
            base = plan.stages[number].base
            below = lowered(base.number).state if isinstance(base, BaseStage) else state
            return lower_stage(plan, plan.stages[number], below)

        return lowered(plan.target)

    return make
