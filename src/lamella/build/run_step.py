"""RUN: a process in a container on a writable workspace; what it wrote becomes the layer."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING

from lamella.build.level import Level
from lamella.build.sources import ContextSource, follow
from lamella.build.work import Outcome, Work
from lamella.errors import DockerfileError, LamellaError, NotSupported, StepFailed
from lamella.events import StepOutput
from lamella.filetree import entry as kinds
from lamella.plan.key import step_definition
from lamella.plan.step import RunStep

if TYPE_CHECKING:
    from lamella.runtime.protocol import Process
    from lamella.snapshot.protocol import Workspace

_TAIL = 4096  # bytes of output repeated with the error
_PASSWD_LIMIT = 4 << 20


def refuse_unsupported(step: RunStep) -> None:
    """Raises NotSupported for what parses and is not executed by this version."""
    for what, used in (
        (f"RUN --mount=type={step.mounts[0].type}" if step.mounts else "", bool(step.mounts)),
        ("RUN --security=insecure", step.security != "sandbox"),
        ("a RUN whose heredoc is a script with #!", step.script is not None),
    ):
        if used:
            raise NotSupported(
                f"{what} is not supported yet", where=step.info.where, hint="it parses; building it is to come"
            )


def execute_run(work: Work, level: Level | None, step: RunStep) -> Outcome:
    """Raises StepFailed when the command exits with a status other than zero."""
    refuse_unsupported(step)
    if step.network == "default":
        step = step._replace(network=work.network)
    definition = step_definition(step)
    cached = work.find_cached(level, definition)
    if cached is not None:
        return cached
    machine = work.machine
    started = time.perf_counter()
    from lamella.runtime.binfmt import require_platform

    require_platform(work.platform, step.info.where)
    machine.require_runner()
    workspace = machine.snapshotter.prepare(machine.snapshot(level))
    try:
        tail: deque[bytes] = deque()
        _run(work, step, workspace, tail)
        snapshot = workspace.commit()
    except BaseException:
        workspace.discard()
        raise
    return work.pack(level, workspace.changes, definition, step.info.where, snapshot=snapshot, started=started)


def _run(work: Work, step: RunStep, workspace: Workspace, tail: deque[bytes]) -> None:
    from lamella.runtime.protocol import Sandbox

    held = 0

    def output(stream: int, data: bytes) -> None:
        nonlocal held
        work.machine.emit(StepOutput(work.step, stream, data))
        tail.append(data)
        held += len(data)
        while held - len(tail[0]) > _TAIL:
            held -= len(tail.popleft())

    root = ContextSource(workspace.root)
    process = _process(step, root)
    sandbox = Sandbox(workspace.root, process, network="none" if step.network == "none" else "host")
    status = work.machine.runner.run(sandbox, output)
    work.machine.check_cancelled()
    if status != 0:
        raise _failed(step, status, b"".join(tail))


def _failed(step: RunStep, status: int, output: bytes) -> StepFailed:
    hints = {
        127: "status 127: the shell or the program was not found in the image",
        126: "status 126: the program is there and cannot be executed (architecture, x bit, interpreter)",
        137: "status 137: killed, often for want of memory",
    }
    otherwise = (
        "the lines above are the last that it printed" if output else "it printed nothing; set -x would show more"
    )
    return StepFailed(
        f"{step.info.text} exited with status {status}",
        where=step.info.where,
        detail=output[-_TAIL:].decode("utf-8", "replace") or None,
        hint=hints.get(status, otherwise),
    )


def _process(step: RunStep, root: ContextSource) -> Process:
    from lamella.runtime.protocol import Process
    from lamella.runtime.users import resolve_user

    def read(path: str) -> bytes | None:
        resolved = follow(root.lookup, path)
        entry = root.lookup(resolved)
        if entry is None or entry.kind != kinds.FILE or entry.size > _PASSWD_LIMIT:
            return None
        descriptor = os.open(root.place(resolved), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    try:
        account = resolve_user(step.user, read)
    except LamellaError as error:
        raise DockerfileError(error.message, where=step.info.where, hint=error.hint) from None
    return Process(
        step.argv,
        step.env + step.proxy_env,
        step.cwd,
        account.uid,
        account.gid,
        account.groups,
    )
