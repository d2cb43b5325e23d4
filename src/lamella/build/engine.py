"""From a request to an image: plans, builds the needed stages, assembles the target."""

from __future__ import annotations

import os
import time

from lamella.build.layering import layered
from lamella.build.machine import Machine
from lamella.build.output import deliver, makes_image
from lamella.build.request import BuildRequest, BuildResult
from lamella.build.stage_build import StageResult
from lamella.build.stagelayers import stage_layers
from lamella.build.stages import Stages
from lamella.errors import LamellaError
from lamella.events import Emit, ignore
from lamella.image.assemble import assemble
from lamella.oci.platform import normalize_platform
from lamella.plan.graph import plan_document
from lamella.plan.stage import BaseImage, Plan, PlanOptions, Stage
from lamella.store.store import Store
from lamella.syntax.instructions import Run
from lamella.syntax.parser import parse


def build(request: BuildRequest, store: Store, emit: Emit = ignore) -> BuildResult:
    """Builds and stores the image. Raises LamellaError of every kind; the store is whole whatever happens."""
    started = time.perf_counter()
    plan = plan_request(request)
    enter_namespaces(plan, store)
    machine = make_machine(request, store, emit)
    stages = Stages(request, plan, machine)
    try:
        stages.warn()
        results = stages.run()
        result = _finish(request, plan, machine, results, started)
        return result._replace(
            looked_at=stages.opened.looked_at(),
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


def enter_namespaces(plan: Plan, store: Store) -> None:
    """Before any thread starts: what is mounted from here on goes with this process. An ordinary user becomes root of a
    user namespace, where there is a RUN. Where that is refused, a RUN that is not in the cache says so."""
    if os.geteuid() == 0 or any(_runs(plan.stages[number], store) for number in plan.order):
        from lamella.snapshot import namespace

        namespace.enter_namespaces()


def _runs(stage: Stage, store: Store) -> bool:
    """Whether it has a RUN, its own or one that its image brings (ONBUILD)."""
    if any(isinstance(one, Run) for one in stage.instructions):
        return True
    try:
        base = store.images.find(stage.base.reference) if isinstance(stage.base, BaseImage) else None
    except LamellaError:  # it is said where the image is needed
        return False
    return base is not None and any(line.lstrip()[:3].upper() == "RUN" for line in base.image.config.config.on_build)


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
