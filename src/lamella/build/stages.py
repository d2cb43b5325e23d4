"""The stages that a target needs, built side by side; each waits for those it reads, when it reads them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lamella.build.allowed import check_allowed
from lamella.build.base import Base, base_of_image
from lamella.build.fetching import Images
from lamella.build.level import Level
from lamella.build.machine import Machine
from lamella.build.named import base_of_folder, is_folder, open_named_image, stands_for
from lamella.build.opened import Opened
from lamella.build.request import BuildRequest
from lamella.build.sources import CopySource
from lamella.build.stage_build import StageResult, build_stage
from lamella.build.task import Task
from lamella.build.trace import Miss, Traces
from lamella.build.warned import Warned
from lamella.build.work import Work
from lamella.errors import DockerfileError, Interrupted, NotFound, RegistryError
from lamella.plan.lower import lower_stage
from lamella.plan.references import close_stage
from lamella.plan.stage import BaseImage, BaseStage, Plan, Stage, StageState
from lamella.plan.step import Source, SourceImage, SourceStage


class Stages:
    """The needed stages and what they wait for. One stage runs in the calling thread, several on their own."""

    def __init__(self, request: BuildRequest, plan: Plan, machine: Machine, *, may_fetch: bool = True) -> None:
        self._request = request
        self._plan = plan
        self._machine = machine
        self._tasks: dict[int, Task[StageResult]] = {}
        self._results: dict[int, StageResult] = {}
        self._guard = threading.Lock()
        self._warned = Warned(plan.checks, machine.emit)
        self.traces = Traces(machine.store.notes, request)
        platform = plan.options.target_platform
        images = Images(request, machine)
        self._images = images if may_fetch else images.without_fetching()
        self.opened = Opened(
            request, machine, platform, self._warned.say, self._level, may_fetch=may_fetch, images=self._images
        )

    def warn(self) -> None:
        """Says what is odd in the plan. Where ``# check=error=true`` says so, looks at every stage before anything is
        built, and raises AnswerNo when there is a warning that has a rule's name."""
        for warning in self._plan.warnings:
            self._warned.say(warning)
        if self._plan.checks.error:
            self._lower_all()
            self._warned.refuse()

    def _lower_all(self) -> None:
        states: dict[int, StageState | None] = {}
        for number in self._plan.order:
            stage = self._plan.stages[number]
            state = None
            if isinstance(stage.base, BaseStage):
                state = states[stage.base.number]
            elif isinstance(stage.base, BaseImage) and not is_folder(
                stands_for(self._request, stage.base.reference)[1]
            ):
                state = self.base(stage).state
            lowered = lower_stage(self._plan, stage, state)
            states[number] = lowered.state
            for warning in lowered.warnings:
                self._warned.say(warning)

    def run(self) -> dict[int, StageResult]:
        """Results by stage number. On an error or Ctrl-C all other stages are cancelled first."""
        order = self._plan.order
        try:
            if len(order) == 1:
                self._results[order[0]] = self._build(self._plan.stages[order[0]])
            else:
                self._run_side_by_side(order)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self._machine.abandon()
            self._machine.cancel()
            for task in list(self._tasks.values()):  # those too that started on demand
                task.wait()
            raise
        finally:
            self.opened.save()
        return self._results

    def _run_side_by_side(self, order: tuple[int, ...]) -> None:
        for number in order:
            self._task(number)
        first_error: BaseException | None = None
        for number in order:
            try:
                self._results[number] = self._tasks[number].result()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                if first_error is None or isinstance(first_error, Interrupted):
                    first_error = error
        if first_error is not None:
            raise first_error

    def _cancelling(self, stage: Stage) -> StageResult:
        try:
            return self._build(stage)
        except BaseException:
            self._machine.cancel()
            raise

    def result(self, number: int) -> StageResult:
        """A finished stage; waits for it. One that nobody was seen to need (an image's ONBUILD may) starts now."""
        if number in self._results:
            return self._results[number]
        return self._task(number).result()

    def _level(self, number: int) -> Level | None:
        return self.result(number).level

    def _task(self, number: int) -> Task[StageResult]:
        """The stage's task, started if nobody did."""
        with self._guard:
            if number not in self._tasks:
                stage = self._plan.stages[number]
                self._tasks[number] = Task(lambda: self._cancelling(stage), f"stage {number}")
            return self._tasks[number]

    def _build(self, stage: Stage) -> StageResult:
        base = self.base(stage)
        lowered = lower_stage(self._plan, stage, base.state)
        for warning in lowered.warnings:
            self._warned.say(warning)
        check_allowed(lowered.steps, self._request)
        work = self._work(stage, base.state)._replace(running=self.traces.begin(self._plan, lowered, base))
        if self._request.explain_cache and work.running is not None:
            work.running.explain = lambda miss: _explain(work, self.traces, miss)
        return build_stage(work, lowered, base)

    def _work(self, stage: Stage, state: StageState | None) -> Work:
        """``state`` is what the stage stands on."""
        return Work(
            self._machine,
            lambda source, where: self.open_source(source, where, stage.number),
            use_cache=not self._runs_again(stage),
            network=self._request.network,
            platform=state.platform if state is not None else self._plan.options.target_platform,
            secrets=self._request.secrets,
            agents=self._request.ssh,
        )

    def _runs_again(self, stage: Stage) -> bool:
        named = {name.lower() for name in self._request.no_cache_stages}
        return self._request.no_cache or stage.name in named or str(stage.number) in named

    def base(self, stage: Stage) -> Base:
        """What the stage stands on; waits for it. Raises NotFound for an image that is not there, and what fetching
        one raises."""
        where = self._plan.document.where(stage.from_.node.line)
        match stage.base:
            case BaseStage(number):
                below = self.result(number)
                standing = sum(other.base == stage.base for other in self._plan.stages)
                return Base(
                    below.level, below.state, below.history, below.created, below.base.image, below.made, standing > 1
                )
            case BaseImage(reference):
                named = stands_for(self._request, reference)
                if is_folder(named[1]):
                    loading = self._work(stage, None)._replace(step=f"{stage.number}.base")
                    return base_of_folder(loading, named[0], where)
                platform = stage.platform or self._plan.options.target_platform
                with self._slips(reference):
                    image = open_named_image(self._images, named, platform, where, self._warned.say)
                return base_of_image(image, where)
            case _:
                return Base(None, None)

    def open_source(self, source: Source, where: str, reader: int) -> CopySource:
        """What stage ``reader`` reads from."""
        if isinstance(source, SourceStage) and source.number >= reader:
            # only a base image's ONBUILD gets here: the plan checks the file's own
            hint = "a stage reads from earlier ones only"
            raise DockerfileError(f"COPY --from names stage {source.number}", where=where, hint=hint)
        with self._slips(source.reference if isinstance(source, SourceImage) else ""):
            return self.opened.open(source, where)

    @contextmanager
    def _slips(self, name: str) -> Iterator[None]:
        """An image that is not there may be a stage whose name was mistyped."""
        try:
            yield
        except (NotFound, RegistryError) as error:
            stage = close_stage(self._plan, name)
            if stage is not None:
                error.hint, error.detail = f"did you mean the stage {stage!r}?", None
            raise


def _explain(work: Work, traces: Traces, miss: Miss) -> None:
    """The first miss of a stage loads what that takes: a cached build has none."""
    from lamella.build.whymiss import explain_misses

    explain_misses(work, traces)(miss)
