"""WORKDIR."""

from __future__ import annotations

from lamella.plan.lowering.paths import absolute_path
from lamella.plan.lowering.state import Lowering
from lamella.plan.step import WorkdirStep
from lamella.syntax.instructions import Workdir


def lower_workdir(lowering: Lowering, instruction: Workdir) -> None:
    """Makes a layer, but for ``/``."""
    path = absolute_path(lowering.expand(instruction.path), lowering.working_dir)
    lowering.set_config(working_dir=path)
    created_by = f"WORKDIR {path}"
    if path == "/":
        lowering.add_config_step(created_by)
        return
    lowering.add(WorkdirStep(lowering.info(created_by), lowering.config, path, lowering.config.user))
