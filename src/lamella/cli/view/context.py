"""The build context as a build would see it: each file, what decided that it is in, which instruction uses it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from lamella.build.copyplan import find_sources
from lamella.build.engine import plan_request
from lamella.build.ignorefile import read_ignore_file
from lamella.build.request import BuildRequest
from lamella.build.sources import ContextSource
from lamella.errors import ContextError, LamellaError
from lamella.filetree import entry as kinds
from lamella.oci.platform import Platform
from lamella.plan.ignore import Decision, IgnoreFile
from lamella.plan.lower import lower_stage
from lamella.plan.stage import BaseImage, BaseStage, LoweredStage, Plan, StageState, Warning_
from lamella.plan.step import CopyStep, RunStep, SourceContext, Step

if TYPE_CHECKING:
    from lamella.cli.session import Session

_NO_LINE = Decision(False, None, None)


class Use(NamedTuple):
    """An instruction that reads a file. ``stage`` is the stage's name or number."""

    line: int
    stage: str
    text: str


class ContextFile(NamedTuple):
    """A file that is in the context. ``size`` is in bytes (0 for a symlink); ``decision`` names the line that took it
    back in, if one did. ``role`` is "Dockerfile" or "ignore file" for those two, which no instruction has to use."""

    path: str
    size: int
    decision: Decision
    used_by: tuple[Use, ...]
    role: str = ""

    @property
    def unused(self) -> bool:
        return not self.used_by and not self.role


class LeftOut(NamedTuple):
    """What an ignore line leaves out: one file, or a folder with nothing in it that is in. ``files`` and ``size``
    count what is below."""

    path: str
    files: int
    size: int
    decision: Decision


class ContextView(NamedTuple):
    """``ignore_file`` is its name, None where there is none. Files are in order of path."""

    folder: str
    dockerfile: str
    ignore_file: str | None
    files: tuple[ContextFile, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[Warning_, ...]


def view_context(request: BuildRequest, session: Session) -> ContextView:
    """Raises DockerfileError, and ContextError for a folder that cannot be read. A source that does not exist is a
    warning, and so is nothing else that only a build would find."""
    assert request.context is not None
    root = os.path.abspath(request.context)
    ignore = read_ignore_file(root, request.dockerfile)
    plan = plan_request(request)
    lowered = _lower(plan, session)
    warnings = dict.fromkeys((*plan.warnings, *(warning for stage in lowered for warning in stage.warnings)))
    uses: dict[str, dict[Use, None]] = {}
    source = ContextSource(root, ignore)
    for stage in lowered:
        name = stage.stage.name or str(stage.stage.number)
        for step in stage.steps:
            use = Use(step.info.line, name, step.info.text)
            for warning in _follow(source, step, use, uses):
                warnings[warning] = None
    roles = _roles(root, request.dockerfile, ignore)
    files: list[ContextFile] = []
    left_out: list[LeftOut] = []
    for path, size, decision in _walk(root, ignore):
        if decision.ignored:
            _leave_out(left_out, LeftOut(path, 1, size, decision), ignore)
        else:
            files.append(ContextFile(path, size, decision, tuple(uses.get(path, ())), roles.get(path, "")))
    return ContextView(
        request.context,
        request.name,
        ignore.name if ignore is not None else None,
        tuple(files),
        tuple(left_out),
        tuple(warnings),
    )


def _lower(plan: Plan, session: Session) -> list[LoweredStage]:
    """The stages that the target needs; on the config of the base where the store has it."""
    lowered: dict[int, LoweredStage] = {}
    for number in plan.order:
        base = plan.stages[number].base
        state: StageState | None = None
        if isinstance(base, BaseStage):
            state = lowered[base.number].state
        elif isinstance(base, BaseImage):
            state = _image_state(base.reference, session)
        lowered[number] = lower_stage(plan, plan.stages[number], state)
    return list(lowered.values())


def _image_state(reference: str, session: Session) -> StageState | None:
    if not os.path.isdir(session.root):
        return None
    try:
        config = session.store().images.resolve(reference).image.config
    except LamellaError:
        return None
    platform: Platform = config.platform
    return StageState(config.config, platform)


def _follow(source: ContextSource, step: Step, use: Use, uses: dict[str, dict[Use, None]]) -> Iterator[Warning_]:
    """Notes the files that a step reads; yields what it asks for in vain."""
    for pattern, excludes, parents in _patterns(step):
        try:
            found = find_sources(source, (pattern,), excludes, step.info.where, parents=parents)
        except ContextError as error:
            yield Warning_(error.where or step.info.where, f"{error.message}{_because(error)}")
            continue
        if not found:
            yield Warning_(step.info.where, f"{pattern!r} matches no file in the build context")
        for one in found:
            for entry in (one.entry, *one.below):
                if entry.kind != kinds.DIRECTORY:
                    uses.setdefault(entry.path, {})[use] = None


def _because(error: ContextError) -> str:
    return f": {error.detail}" if error.detail else ""


def _patterns(step: Step) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """What the step reads of the context, with what it excludes and whether it keeps parents."""
    if isinstance(step, CopyStep) and step.source == SourceContext():
        for pattern in step.sources:
            yield pattern, step.excludes, step.parents
    elif isinstance(step, RunStep):
        for mount in step.mounts:
            if mount.source == SourceContext():
                yield mount.source_path or ".", (), False


def _roles(root: str, dockerfile: str | None, ignore: IgnoreFile | None) -> dict[str, str]:
    roles = {ignore.name: "ignore file"} if ignore is not None else {}
    if dockerfile is not None:
        roles[os.path.relpath(dockerfile, root)] = "Dockerfile"
    return roles


def _walk(root: str, ignore: IgnoreFile | None) -> Iterator[tuple[str, int, Decision]]:
    """Everything but folders, in order of path, with what the ignore file says of it."""
    pending = [""]
    while pending:
        path = pending.pop()
        place = os.path.join(root, path)
        try:
            found = os.lstat(place)
            names = os.listdir(place) if stat.S_ISDIR(found.st_mode) else None
        except OSError as error:
            raise ContextError(f"cannot read: {error.strerror}", where=path or root) from None
        if names is not None:
            pending += [f"{path}/{name}" if path else name for name in sorted(names, reverse=True)]
        elif not stat.S_ISSOCK(found.st_mode):
            size = found.st_size if stat.S_ISREG(found.st_mode) else 0
            yield path, size, ignore.decide(path) if ignore is not None else _NO_LINE


def _leave_out(left_out: list[LeftOut], one: LeftOut, ignore: IgnoreFile | None) -> None:
    """Adds to the folder that is out as a whole, where the file lies in one."""
    assert ignore is not None
    for cut, character in enumerate(one.path):
        if character == "/" and ignore.may_skip_directory(one.path[:cut]):
            folder = one.path[: cut + 1]
            if left_out and left_out[-1].path == folder:
                last = left_out[-1]
                left_out[-1] = last._replace(files=last.files + 1, size=last.size + one.size)
            else:
                left_out.append(one._replace(path=folder, decision=ignore.decide(one.path[:cut])))
            return
    left_out.append(one)
