"""Builds one stage: its steps in order, each by the file that knows its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from lamella.build.base import Base
from lamella.build.copy_step import execute_copy
from lamella.build.layering import MadeLayer, made_layer
from lamella.build.level import Level
from lamella.build.request import StepReport
from lamella.build.run_step import execute_run
from lamella.build.sources import CopySource
from lamella.build.work import Outcome, Work
from lamella.build.workdir_step import execute_workdir
from lamella.errors import LamellaError
from lamella.events import StepErrored, StepFinished, StepStarted
from lamella.oci.config import HistoryEntry
from lamella.plan.stage import LoweredStage, StageState
from lamella.plan.step import ConfigStep, CopyStep, RunStep, Source, Step, WorkdirStep
from lamella.store.instant import format_instant

#: what BuildKit writes into the comment of every history entry
HISTORY_COMMENT = "buildkit.dockerfile.v0"


class StageResult(NamedTuple):
    """A finished stage. ``made`` are the layers above the base image, one for each level."""

    base: Base
    level: Level | None
    state: StageState
    history: tuple[HistoryEntry, ...]
    created: str
    reports: tuple[StepReport, ...]
    made: tuple[MadeLayer, ...] = ()


def build_stage(work: Work, lowered: LoweredStage, base: Base) -> StageResult:
    """Runs the stage's steps on ``base``. Raises what a step raises, with its ``file:line``."""
    machine = work.machine
    level = base.level
    history = list(base.history)
    created = base.created
    made: list[MadeLayer] = list(base.made)
    done: list[tuple[Step, Outcome, float]] = []
    label = _labels(lowered)
    for number, step in enumerate(lowered.steps):
        machine.check_cancelled()
        if isinstance(step, ConfigStep):
            if step.info.history:
                history.append(
                    HistoryEntry(
                        created or format_instant(machine.started),
                        step.info.created_by,
                        comment=HISTORY_COMMENT,
                        empty_layer=True,
                    )
                )
            continue
        key = f"{lowered.stage.number}.{number}"
        machine.emit(StepStarted(key, next(label), step.info.text, step.info.where))
        sources = _TimedSources(work.open_source)
        started = time.perf_counter()
        try:
            outcome = execute_step(work._replace(step=key, open_source=sources.open), level, step)
        except LamellaError as error:
            machine.emit(StepErrored(key, str(error)))
            raise
        seconds = time.perf_counter() - started - sources.waited
        level = outcome.level
        if outcome.layer:
            made.append(made_layer(step, len(history), shared=base.shared and len(made) == len(base.made)))
        if outcome.created is not None:
            created = format_instant(outcome.created)
        history.append(
            HistoryEntry(
                created or format_instant(machine.started),
                step.info.created_by,
                comment=HISTORY_COMMENT,
                empty_layer=not outcome.layer,
            )
        )
        if outcome.cached or outcome.finished is None:  # else its packing tells when it ends
            size = outcome.finished()[0] if outcome.finished is not None else None
            machine.emit(StepFinished(key, outcome.cached, seconds, size))
        done.append((step, outcome, seconds))
    reports = tuple(_report(lowered, *one) for one in done)
    return StageResult(base, level, lowered.state, tuple(history), created, reports, tuple(made))


class _TimedSources:
    """Opens sources, and knows how long that took: a step that waits for another stage is not at work."""

    def __init__(self, open_source: Callable[[Source, str], CopySource]) -> None:
        self._open_source = open_source
        self.waited = 0.0

    def open(self, source: Source, where: str) -> CopySource:
        started = time.perf_counter()
        try:
            return self._open_source(source, where)
        finally:
            self.waited += time.perf_counter() - started


def execute_step(work: Work, level: Level | None, step: Step) -> Outcome:
    """One step. Whatever goes wrong in it names its ``file:line``."""
    try:
        return _execute(work, level, step)
    except LamellaError as error:
        error.at(step.info.where)
        raise


def _execute(work: Work, level: Level | None, step: Step) -> Outcome:
    """By the file that knows the step's kind."""
    match step:
        case RunStep():
            return execute_run(work, level, step)
        case CopyStep():
            return execute_copy(work, level, step)
        case WorkdirStep():
            return execute_workdir(work, level, step)
        case ConfigStep():
            return Outcome(level)


def _labels(lowered: LoweredStage):  # type: ignore[no-untyped-def]
    """``[build 2/5]``: FROM is the first, as BuildKit counts."""
    total = 1 + sum(not isinstance(step, ConfigStep) for step in lowered.steps)
    name = f"{lowered.stage.name} " if lowered.stage.name else ""
    return iter([f"[{name}{number}/{total}]" for number in range(2, total + 1)])


def _report(lowered: LoweredStage, step: Step, outcome: Outcome, seconds: float) -> StepReport:
    size = None
    if outcome.finished is not None:
        size, packed = outcome.finished()
        seconds = max(seconds, packed)
    return StepReport(
        lowered.stage.number,
        step.info.where,
        step.info.keyword,
        step.info.text,
        outcome.cached,
        seconds,
        size,
        outcome.level.layer if outcome.layer and outcome.level is not None else None,
    )
