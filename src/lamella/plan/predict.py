"""The layer stack of a Dockerfile before anything is built: each instruction, whether it makes a layer, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from lamella.errors import UsageError
from lamella.plan.dialects import DIALECTS, MAX_LAYERS, Exists, judge
from lamella.plan.lower import lower_stage
from lamella.plan.stage import BaseImage, BaseScratch, BaseStage, LoweredStage, Plan, StageState, Warning_
from lamella.plan.step import CopyStep, RunStep, Step, WorkdirStep

#: asked for an absolute path of the base's file system; None for not known
DirectoryExists = Callable[[str], Exists]


class PredictedStep(NamedTuple):
    """One instruction. ``stage`` and ``position`` find its step: ``lowered[stage].steps[position]``.
    ``text`` is the instruction on one line; ``reason`` follows on it: "makes its folder, which becomes a layer"."""

    stage: int
    position: int
    line: int
    instruction: str
    text: str
    layer: bool
    reason: str


class Prediction(NamedTuple):
    """``target`` is the stage's name or number. ``base`` is what the lowest stage stands on (``scratch``, or a
    reference as written) and ``base_layers`` its layers, None where not known. ``steps`` are those of the stages below
    the target too, lowest first."""

    dialect: str
    target: str
    base: str
    base_layers: int | None
    steps: tuple[PredictedStep, ...]
    warnings: tuple[Warning_, ...] = ()

    @property
    def added(self) -> int:
        return sum(step.layer for step in self.steps)

    @property
    def total(self) -> int | None:
        """None where the base's layers are not known."""
        return None if self.base_layers is None else self.base_layers + self.added


def predict(
    plan: Plan,
    lowered: Mapping[int, LoweredStage] | None = None,
    *,
    dialect: str = "buildkit",
    base_layers: int | None = None,
    directory_exists: DirectoryExists = lambda path: None,
) -> Prediction:
    """The stack of the plan's target.

    ``lowered`` are stages by number, made where the base's config is known; missing ones are lowered here as if it
    was empty. ``base_layers`` and ``directory_exists`` are of the image that the lowest stage stands on (scratch has
    neither layers nor folders). Raises UsageError for an unknown dialect, DockerfileError as ``lower_stage`` does.
    """
    if dialect not in DIALECTS:
        raise UsageError(f"there is no dialect {dialect!r}", hint=f"there are {', '.join(DIALECTS)}")
    numbers = _stack_of_stages(plan)
    lowest = plan.stages[numbers[0]].base
    scratch = isinstance(lowest, BaseScratch)
    folders = _Folders((lambda path: False) if scratch else directory_exists)
    steps: list[PredictedStep] = []
    for stage in _lowered(plan, numbers, lowered or {}):
        steps += _predict_stage(stage, dialect, folders)
    target = plan.stages[plan.target]
    prediction = Prediction(
        dialect=dialect,
        target=target.name or str(target.number),
        base=lowest.reference if isinstance(lowest, BaseImage) else "scratch",
        base_layers=0 if scratch else base_layers,
        steps=tuple(steps),
    )
    return prediction._replace(warnings=_warnings(plan, prediction))


def _stack_of_stages(plan: Plan) -> list[int]:
    """The target and the stages that it stands on, lowest first."""
    numbers = [plan.target]
    while isinstance(base := plan.stages[numbers[-1]].base, BaseStage):
        numbers.append(base.number)
    return numbers[::-1]


def _lowered(plan: Plan, numbers: list[int], known: Mapping[int, LoweredStage]) -> Iterable[LoweredStage]:
    state: StageState | None = None
    for number in numbers:
        lowered = known.get(number) or lower_stage(plan, plan.stages[number], state)
        state = lowered.state
        yield lowered


def _predict_stage(lowered: LoweredStage, dialect: str, folders: _Folders) -> Iterable[PredictedStep]:
    last = len(lowered.steps) - 1
    for position, step in enumerate(lowered.steps):
        exists = folders.exists(step.path) if isinstance(step, WorkdirStep) else None
        layer, reason = judge(dialect, step, exists, position == last)
        folders.follow(step)
        info = step.info
        yield PredictedStep(lowered.stage.number, position, info.line, info.keyword, info.text, layer, reason)


class _Folders:
    """What is known of the folders of the file system as it grows."""

    def __init__(self, in_base: DirectoryExists) -> None:
        self._in_base = in_base
        self._made: set[str] = {"/"}
        self._anything_may_be = False  # a RUN may make and remove what it likes

    def exists(self, path: str) -> Exists:
        if path in self._made:
            return True
        known = self._in_base(path)
        return None if self._anything_may_be and known is False else known

    def follow(self, step: Step) -> None:
        """Takes note of what the step makes."""
        if isinstance(step, RunStep):
            self._anything_may_be = True
        elif isinstance(step, WorkdirStep):
            self._make(step.path)
        elif isinstance(step, CopyStep):
            parent, _, name = step.destination.rpartition("/")
            several = len(step.sources) + len(step.inline) + len(step.remotes) > 1
            self._make(parent if name and not several else step.destination.rstrip("/"))

    def _make(self, path: str) -> None:
        while path and path not in self._made:
            self._made.add(path)
            path = path.rpartition("/")[0]


def _warnings(plan: Plan, prediction: Prediction) -> tuple[Warning_, ...]:
    count = prediction.added if prediction.total is None else prediction.total
    if count <= MAX_LAYERS:
        return ()
    where = plan.document.where(plan.stages[plan.target].from_.node.line)
    return (Warning_(where, f"{count} layers are more than the {MAX_LAYERS} that overlay storage can run"),)
