"""A stage to steps: variables expanded, config followed from instruction to instruction, history written.

Source: the Dockerfile reference for what instructions mean; BuildKit for the texts of the history, which tools read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from lamella.plan.checks import wanted
from lamella.plan.graph import stage_names
from lamella.plan.lowering.copy import lower_add, lower_copy
from lamella.plan.lowering.folders import lower_workdir
from lamella.plan.lowering.process import (
    lower_cmd,
    lower_entrypoint,
    lower_healthcheck,
    lower_maintainer,
    lower_shell,
    lower_stopsignal,
    lower_user,
)
from lamella.plan.lowering.run import lower_run
from lamella.plan.lowering.state import Lowering, Place
from lamella.plan.lowering.variables import lower_arg, lower_env, lower_label
from lamella.plan.references import check_plain, from_words
from lamella.plan.stage import LoweredStage, Plan, Stage, StageState
from lamella.syntax.instructions import Expose, Onbuild, TypedInstruction, Volume
from lamella.syntax.typed import parse_trigger


def _lower_expose(lowering: Lowering, instruction: Expose) -> None:
    from lamella.plan.lowering.ports import lower_expose  # only where it is needed: start-up time is a feature

    lower_expose(lowering, instruction)


def _lower_volume(lowering: Lowering, instruction: Volume) -> None:
    from lamella.plan.lowering.ports import lower_volume

    lower_volume(lowering, instruction)


def _lower_onbuild(lowering: Lowering, instruction: Onbuild) -> None:
    """Kept for those who build on this image; no entry in the history."""
    lowering.set_config(on_build=(*lowering.config.on_build, instruction.trigger))
    lowering.add_config_step("", history=False)


_READERS: Mapping[str, Callable[[Lowering, Any], None]] = MappingProxyType(
    {
        "ADD": lower_add,
        "ARG": lower_arg,
        "CMD": lower_cmd,
        "COPY": lower_copy,
        "ENTRYPOINT": lower_entrypoint,
        "ENV": lower_env,
        "EXPOSE": _lower_expose,
        "HEALTHCHECK": lower_healthcheck,
        "LABEL": lower_label,
        "MAINTAINER": lower_maintainer,
        "ONBUILD": _lower_onbuild,
        "RUN": lower_run,
        "SHELL": lower_shell,
        "STOPSIGNAL": lower_stopsignal,
        "USER": lower_user,
        "VOLUME": _lower_volume,
        "WORKDIR": lower_workdir,
    }
)


def lower_stage(plan: Plan, stage: Stage, base: StageState | None) -> LoweredStage:
    """The steps of ``stage`` on ``base``: the state of the stage below, or made from an image's config and platform;
    None for scratch, and for a base of which nothing is known.

    The triggers that the base brings along come first. The state handed on has the labels of the options when the
    stage is the target. Raises DockerfileError with ``file:line``.
    """
    lowering = Lowering(plan, stage, stage_names(plan), base)
    line = stage.from_.node.line
    where = plan.document.where(line)
    triggers = lowering.config.on_build
    lowering.set_config(on_build=())
    for trigger in triggers:
        instruction = parse_trigger(trigger, where, "\\")
        _lower(lowering, instruction, Place(where, line, trigger, instruction.node, trigger=True))
    for instruction in stage.instructions:
        line = instruction.node.line
        _lower(lowering, instruction, Place(plan.document.where(line), line, plan.document.text, instruction.node))
    if stage.number == plan.target and plan.options.labels:
        lowering.set_config(labels=tuple((dict(lowering.config.labels) | dict(plan.options.labels)).items()))
    return LoweredStage(
        stage,
        tuple(lowering.steps),
        StageState(lowering.config, lowering.platform, tuple(lowering.args)),
        tuple(lowering.sources),
        lowering.author,
        wanted(lowering.warnings, plan.checks),
    )


def _lower(lowering: Lowering, instruction: TypedInstruction, place: Place) -> None:
    for name in from_words(instruction):
        check_plain(name, place.where)
    lowering.begin(place)
    _READERS[instruction.node.keyword](lowering, instruction)
