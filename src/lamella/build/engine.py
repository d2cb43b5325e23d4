"""From a request to an image: plans, builds the needed stages side by side, assembles the target."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping

from lamella.build.allowed import check_allowed
from lamella.build.base import Base, base_of_image, image_level
from lamella.build.filedigests import FileDigests
from lamella.build.layering import layered
from lamella.build.level import Level
from lamella.build.machine import Machine
from lamella.build.named import IMAGE, base_of_folder, check_folder, is_folder, is_remote, open_named_image
from lamella.build.output import deliver, makes_image
from lamella.build.request import BuildRequest, BuildResult
from lamella.build.sources import ArchiveContext, ContextSource, CopySource, NoContext, TreeSource
from lamella.build.stage_build import StageResult, build_stage
from lamella.build.stagelayers import stage_layers
from lamella.build.task import Task
from lamella.build.trace import Miss, Traces
from lamella.build.work import Work
from lamella.errors import AnswerNo, ContextError, DockerfileError, Interrupted
from lamella.events import Emit, Note, ignore
from lamella.image.assemble import assemble
from lamella.oci.image import Image
from lamella.oci.platform import Platform, normalize_platform
from lamella.oci.reference import short_name
from lamella.plan.graph import plan_document
from lamella.plan.ignore import IgnoreFile, parse_ignore
from lamella.plan.lower import lower_stage
from lamella.plan.stage import BaseImage, BaseStage, Plan, PlanOptions, Stage, StageState, Warning_
from lamella.plan.step import Source, SourceContext, SourceImage, SourceStage
from lamella.store.store import Store
from lamella.syntax.parser import parse


def build(request: BuildRequest, store: Store, emit: Emit = ignore) -> BuildResult:
    """Builds and stores the image. Raises LamellaError of every kind; the store is whole whatever happens."""
    started = time.perf_counter()
    plan = plan_request(request)
    enter_private_mounts_if_root()
    machine = make_machine(request, store, emit)
    stages = Stages(request, plan, machine)
    try:
        stages.warn()
        results = stages.run()
        result = _finish(request, plan, machine, results, started)
        return result._replace(
            looked_at=stages.looked_at(),
            asked_elsewhere=machine.asked_elsewhere,
            stages=stage_layers(plan, results),
        )
    except KeyboardInterrupt:
        machine.abandon()
        raise
    finally:
        machine.cancel()
        machine.close()
        if request.remember:
            stages.traces.save()


def make_machine(request: BuildRequest, store: Store, emit: Emit = ignore) -> Machine:
    return Machine(
        store,
        emit,
        epoch=request.epoch,
        compression=request.compression,
        runtime=request.runtime,
        backend=request.backend,
    )


def plan_request(request: BuildRequest) -> Plan:
    """Parses and plans, touching nothing."""
    host = normalize_platform("linux", os.uname().machine)
    options = PlanOptions(
        build_args=request.build_args,
        target=request.target,
        build_platform=host,
        target_platform=request.platform or host,
        named_contexts=tuple(name for name, _ in request.named_contexts),
        labels=request.labels,
    )
    return plan_document(parse(request.text, request.name), options)


def enter_private_mounts_if_root() -> None:
    """Before any thread starts: what is mounted from here on goes with this process."""
    if os.geteuid() == 0:
        from lamella.snapshot.namespace import enter_private_mounts

        enter_private_mounts()


class Stages:
    """The needed stages and what they wait for. One stage runs in the calling thread, several on their own."""

    def __init__(self, request: BuildRequest, plan: Plan, machine: Machine) -> None:
        self._request = request
        self._plan = plan
        self._machine = machine
        self._tasks: dict[int, Task[StageResult]] = {}
        self._results: dict[int, StageResult] = {}
        self._guard = threading.Lock()
        self._sources: dict[Source, CopySource] = {}
        self._digests: list[FileDigests] = []
        self._warned: dict[Warning_, None] = {}
        self._warning = threading.Lock()
        self.traces = Traces(machine.store.notes, request)

    def warn(self) -> None:
        """Says what is odd in the plan. Where ``# check=error=true`` says so, looks at every stage before anything is
        built, and raises AnswerNo when there is a warning that has a rule's name."""
        for warning in self._plan.warnings:
            self._warn(warning)
        if self._plan.checks.error:
            self._lower_all()
            refuse_warnings([warning for warning in self._warned if warning.rule])

    def _warn(self, warning: Warning_) -> None:
        with self._warning:
            if warning in self._warned or self._plan.checks.skips(warning.rule):
                return
            self._warned[warning] = None
        self._machine.emit(Note("warning", warning.text, warning.where))

    def _lower_all(self) -> None:
        states: dict[int, StageState | None] = {}
        for number in self._plan.order:
            stage = self._plan.stages[number]
            state = None
            if isinstance(stage.base, BaseStage):
                state = states[stage.base.number]
            elif isinstance(stage.base, BaseImage) and not is_folder(self._named(stage.base.reference)[1]):
                state = self.base(stage).state
            lowered = lower_stage(self._plan, stage, state)
            states[number] = lowered.state
            for warning in lowered.warnings:
                self._warn(warning)

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
            for digests in self._digests:
                digests.save()
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

    def looked_at(self) -> tuple[tuple[str, Mapping[str, os.stat_result | None]], ...]:
        """What was asked of each context folder."""
        contexts = [source for source in self._sources.values() if isinstance(source, ContextSource)]
        return tuple((source.root, source.stats) for source in contexts)

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
            self._warn(warning)
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
        """What the stage stands on; waits for it. Raises NotFound for an image that the store does not hold."""
        where = self._plan.document.where(stage.from_.node.line)
        match stage.base:
            case BaseStage(number):
                below = self.result(number)
                standing = sum(other.base == stage.base for other in self._plan.stages)
                return Base(
                    below.level, below.state, below.history, below.created, below.base.image, below.made, standing > 1
                )
            case BaseImage(reference):
                named = self._named(reference)
                if is_folder(named[1]):
                    return base_of_folder(
                        self._work(stage, None)._replace(step=f"{stage.number}.base"), named[0], where
                    )
                return base_of_image(self._image(named, stage.platform, where), where)
            case _:
                return Base(None, None)

    def _named(self, reference: str) -> tuple[str, str]:
        """An image's name, and what it stands for: a ``--build-context``, or itself."""
        named = dict(self._request.named_contexts)
        name = short_name(reference) if named else reference
        return name, named.get(name, IMAGE + reference)

    def _image(self, named: tuple[str, str], platform: Platform | None, where: str) -> Image:
        wanted = platform or self._plan.options.target_platform
        return open_named_image(self._machine.store, named, wanted, where, self._warn)

    def open_source(self, source: Source, where: str, reader: int) -> CopySource:
        """What COPY in stage ``reader`` reads from, made once; waits for a stage."""
        if isinstance(source, SourceStage):
            if source.number >= reader:  # only a base image's ONBUILD gets here: the plan checks the file's own
                hint = "a stage reads from earlier ones only"
                raise DockerfileError(f"COPY --from names stage {source.number}", where=where, hint=hint)
            level = self.result(source.number).level  # outside the guard: it may take long
        with self._guard:
            if source not in self._sources:
                match source:
                    case SourceStage():
                        self._sources[source] = self._tree_source(level)
                    case SourceImage(reference):
                        self._sources[source] = self._named_source(reference, where)
                    case SourceContext(""):
                        self._sources[source] = self._main_context()
                    case SourceContext(name):
                        self._sources[source] = self._named_source(name, where)
            return self._sources[source]

    def _named_source(self, reference: str, where: str) -> CopySource:
        name, value = self._named(reference)
        if is_remote(value):
            return self._fetched(value)
        if is_folder(value):
            check_folder(name, value, where)
            return self._context(value)
        image = self._image((name, value), None, where)
        return self._tree_source(image_level(image, where))

    def _fetched(self, address: str) -> CopySource:
        """A context from elsewhere."""
        from lamella.build.remote_context import fetch_context

        machine = self._machine
        machine.asked_elsewhere = True
        folder, tree = fetch_context(address, machine.temporary_folder, machine.cancelled.is_set)
        return ArchiveContext(tree, lambda: folder)

    def _tree_source(self, level: Level | None) -> TreeSource:
        machine = self._machine
        return TreeSource(machine.tree(level), lambda: machine.view(level), lambda: machine.workspace(level))

    def _main_context(self) -> CopySource:
        folder, tree = self._request.context, self._request.unpacked
        if folder is None:
            return NoContext(lambda: self._machine.view(None))
        if tree is not None:
            return ArchiveContext(tree, lambda: folder)
        if not os.path.isdir(folder):
            raise ContextError("the build context is not a folder", where=folder)
        return self._context(folder, self._request.dockerfile)

    def _context(self, folder: str, dockerfile: str | None = None) -> ContextSource:
        """``dockerfile`` may have an ignore file of its own, which is for the main context alone."""
        root = os.path.abspath(folder)
        digests = FileDigests(self._machine.store.digests, root)
        self._digests.append(digests)
        return ContextSource(root, read_ignore_file(root, dockerfile), digests)


def refuse_warnings(warnings: list[Warning_]) -> None:
    """Raises AnswerNo where there are any, in order of line."""
    if warnings:
        warnings.sort(key=lambda warning: int(warning.where.rpartition(":")[2]))
        raise AnswerNo(
            f"the build stops at its warnings, of {', '.join(sorted({warning.rule for warning in warnings}))}",
            where=warnings[0].where,
            detail="\n".join(f"{warning.where}: {warning.text}" for warning in warnings),
            hint="mend them, or name the rules that do not matter: # check=skip=RULE;error=true",
            code="checks",
        )


def _explain(work: Work, traces: Traces, miss: Miss) -> None:
    """The first miss of a stage loads what that takes: a cached build has none."""
    from lamella.build.whymiss import explain_misses

    explain_misses(work, traces)(miss)


def ignore_candidates(root: str, dockerfile: str | None) -> tuple[str, ...]:
    """Where an ignore file may lie, the one that wins first."""
    own = (f"{dockerfile}.dockerignore",) if dockerfile else ()
    return (*own, os.path.join(root, ".dockerignore"))


def read_ignore_file(root: str, dockerfile: str | None) -> IgnoreFile | None:
    """The ignore file of a context: ``<Dockerfile>.dockerignore`` beside that, else ``.dockerignore`` in the context;
    None where there is neither."""
    for path in ignore_candidates(root, dockerfile):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return parse_ignore(file.read(), os.path.relpath(path, root))
    return None


def _finish(
    request: BuildRequest, plan: Plan, machine: Machine, results: dict[int, StageResult], started: float
) -> BuildResult:
    """Waits for the layers, puts the image together and stores it under its names."""
    target = results[plan.target]
    base = target.base.image
    layers, history = layered(machine, request.layers, target.level, target.made, target.history)
    image = assemble(
        base,
        layers,
        target.state.config,
        history[len(base.config.history) if base is not None else 0 :],
        platform=request.platform or target.state.platform,
        created=target.created,
        annotations=request.annotations,
    )
    names = deliver(request, machine, image, target.level)
    reports = tuple(report for number in plan.order for report in results[number].reports)
    return BuildResult(
        image.manifest.descriptor._replace(platform=image.config.platform),
        image.config,
        names,
        reports,
        time.perf_counter() - started,
        plan.warnings,
        is_image=makes_image(request.outputs),
        layers=image.layers,
    )
