"""What is known of a build before it is done: its plan, and the layers that the cache holds already. Builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lamella.build.base import Base, base_of_image
from lamella.build.engine import make_machine, plan_request
from lamella.build.level import Level, stack
from lamella.build.machine import Machine
from lamella.build.named import IMAGE, stands_for
from lamella.build.request import BuildRequest
from lamella.build.stage_build import StageResult, execute_step
from lamella.build.stages import Stages
from lamella.build.work import NotBuilt, Work
from lamella.errors import LamellaError, NotFound
from lamella.filetree.entry import Entry
from lamella.oci.image import Image, LayerRef
from lamella.plan.lower import lower_stage
from lamella.plan.stage import BaseImage, BaseStage, LoweredStage, Plan, Stage, StageState
from lamella.store.store import Store


class StagePreview(NamedTuple):
    """``base_known`` is False where the stage's base image is not in the store; its layers and config are then those
    that the registry tells of, or where it cannot be asked taken for none. ``base_image`` is the image that the stage
    stands on, at first or second hand. ``base_layers`` are those below the stage's own steps. ``sizes`` are bytes of
    content by position in ``lowered.steps``, for the steps whose layer exists; ``base_tree`` gives the file system
    below the first step."""

    lowered: LoweredStage
    base_known: bool
    base_image: Image | None
    base_layers: tuple[LayerRef, ...]
    sizes: Mapping[int, int]
    base_tree: Callable[[], Mapping[str, Entry]]


class Preview(NamedTuple):
    """``stages`` by stage number, for those that the target needs."""

    plan: Plan
    stages: Mapping[int, StagePreview]


def preview(request: BuildRequest, store: Store) -> Preview:
    """Raises DockerfileError for a Dockerfile that cannot be planned; a missing base or source is no error here."""
    plan = plan_request(request)
    machine = make_machine(request, store)
    try:
        known = _KnownStages(request, plan, machine)
        return Preview(plan, {number: known.preview(plan.stages[number]) for number in plan.order})
    finally:
        machine.close()


class _KnownStages(Stages):
    """Walks the stages as a build does, and stops each where the cache ends."""

    def __init__(self, request: BuildRequest, plan: Plan, machine: Machine) -> None:
        super().__init__(request, plan, machine, may_fetch=False)
        self._states: dict[int, StageState] = {}

    def preview(self, stage: Stage) -> StagePreview:
        try:
            base, base_known = self.base(stage), True
        except NotFound:
            base, base_known = self._elsewhere(stage) or Base(None, None), False
        except NotBuilt:
            base, base_known = self._unbuilt_base(stage), False
        lowered = lower_stage(self._plan, stage, base.state)
        sizes: dict[int, int] = {}
        level = base.level
        work = self._work(stage, base.state)
        complete = base_known
        if base_known:
            level, complete = _walk(work, lowered, level, sizes)
        self._states[stage.number] = lowered.state
        if complete:
            self._results[stage.number] = StageResult(base, level, lowered.state, (), "", ())
        return StagePreview(
            lowered,
            base_known,
            base.image,
            tuple(one.layer for one in stack(base.level)),
            sizes,
            lambda: self._machine.tree(base.level),
        )

    def _work(self, stage: Stage, state: StageState | None) -> Work:
        return super()._work(stage, state)._replace(use_cache=True, network="default", only_cached=True)

    def _elsewhere(self, stage: Stage) -> Base | None:
        """What a build would pull: its manifest and config alone."""
        pull = self._request.pull
        if pull is None or not isinstance(stage.base, BaseImage):
            return None
        value = stands_for(self._request, stage.base.reference)[1]
        if not value.startswith(IMAGE):
            return None
        platform = stage.platform or self._plan.options.target_platform
        image = pull.look(value.removeprefix(IMAGE), platform)
        return base_of_image(image, "") if image is not None else None

    def _unbuilt_base(self, stage: Stage) -> Base:
        """The config that a stage which is not built yet will hand on; its layers cannot be known."""
        return Base(None, self._states.get(stage.base.number) if isinstance(stage.base, BaseStage) else None)

    def result(self, number: int) -> StageResult:
        if number not in self._results:
            raise NotBuilt
        return self._results[number]


def _walk(work: Work, lowered: LoweredStage, level: Level | None, sizes: dict[int, int]) -> tuple[Level | None, bool]:
    """Fills ``sizes``; returns the last known level and whether all steps were known."""
    for position, step in enumerate(lowered.steps):
        try:
            outcome = execute_step(work, level, step)
        except (NotBuilt, LamellaError):
            return level, False
        level = outcome.level
        if outcome.finished is not None:
            sizes[position] = outcome.finished()[0]
    return level, True
