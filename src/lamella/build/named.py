"""What ``--build-context NAME=VALUE`` may be: an image of the store, one in an OCI layout, or a folder."""

from __future__ import annotations

import os

from lamella.build.base import Base, Warn, open_image
from lamella.build.fetching import Images
from lamella.build.layering import made_layer
from lamella.build.request import BuildRequest
from lamella.build.stage_build import execute_step
from lamella.build.work import Work
from lamella.errors import ContextError, LamellaError
from lamella.events import StepErrored, StepFinished, StepStarted
from lamella.oci.config import HistoryEntry, RunConfig
from lamella.oci.image import Image
from lamella.oci.platform import Platform
from lamella.oci.reference import short_name
from lamella.plan.step import CopyStep, SourceContext, StepInfo
from lamella.store.instant import format_instant

IMAGE = "docker-image://"
LAYOUT = "oci-layout://"


def is_folder(value: str) -> bool:
    """Whether it is files, here or elsewhere, and no image."""
    return not value.startswith((IMAGE, LAYOUT))


def stands_for(request: BuildRequest, reference: str) -> tuple[str, str]:
    """An image's name, and what it stands for: the value of a ``--build-context``, or itself."""
    named = dict(request.named_contexts)
    name = short_name(reference) if named else reference
    return name, named.get(name, IMAGE + reference)


def open_named_image(images: Images, named: tuple[str, str], platform: Platform, where: str, warn: Warn) -> Image:
    """The image that the value of ``named`` (a name and no folder) stands for. Raises NotFound, InputError, and what
    fetching raises."""
    name, value = named
    if value.startswith(IMAGE):
        return open_image(images, value.removeprefix(IMAGE), where, platform, warn)
    from lamella.store.load import put_layers
    from lamella.store.locate import open_layout

    try:
        source, image = open_layout(value.removeprefix(LAYOUT), platform)
        return put_layers(images.store, source, image)
    except LamellaError as error:
        error.at(where)
        error.detail = f"--build-context {name}={value}" + (f"\n{error.detail}" if error.detail else "")
        raise


def base_of_folder(work: Work, name: str, where: str) -> Base:
    """A folder as the root file system that a stage stands on: one layer with all that its ignore file lets in.
    ``work.step`` is the event key of loading it."""
    machine = work.machine
    label = f"[context {name}]"
    info = StepInfo(where, int(where.rpartition(":")[2]), 0, "FROM", f"FROM {name}", f"{label} load from client")
    step = CopyStep(info, RunConfig(), SourceContext(name), (".",), "/")
    machine.emit(StepStarted(work.step, label, info.text, where))
    try:
        outcome = execute_step(work, None, step)
    except LamellaError as error:
        machine.emit(StepErrored(work.step, str(error)))
        raise
    if outcome.cached and outcome.finished is not None:
        machine.emit(StepFinished(work.step, True, 0.0, outcome.finished()[0]))
    created = format_instant(outcome.created or machine.started)
    history = HistoryEntry(created, info.created_by, comment="buildkit.exporter.image.v0")
    return Base(outcome.level, None, (history,), created, made=(made_layer(step, 0, shared=False),))


def check_folder(name: str, value: str, where: str) -> None:
    """Raises ContextError for what is no folder."""
    if not os.path.isdir(value):
        raise ContextError(
            f"the build context {name} is no folder: {value}",
            where=where,
            hint=f"give a folder (archives have to be unpacked), {IMAGE}NAME, {LAYOUT}FOLDER, or a URL",
        )
