"""RUN: a process in a container on a writable workspace; what it wrote becomes the layer."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lamella.build.level import Level
from lamella.build.sources import ContextSource, follow
from lamella.build.work import Outcome, Work
from lamella.errors import DockerfileError, LamellaError, StepFailed
from lamella.events import Note, StepOutput
from lamella.filetree import entry as kinds
from lamella.plan.key import step_definition
from lamella.plan.step import SCRIPT, RunStep
from lamella.userns.standing import SINGLE, current

if TYPE_CHECKING:
    from lamella.build.mounts.surroundings import Wanted
    from lamella.layer.packed import PackedLayer
    from lamella.runtime.protocol import Mount, Process
    from lamella.snapshot.protocol import Workspace

_TAIL = 4096  # bytes of output repeated with the error
_PASSWD_LIMIT = 4 << 20


def execute_run(work: Work, level: Level | None, step: RunStep) -> Outcome:
    """Raises StepFailed when the command exits with a status other than zero."""
    if step.network == "default":
        step = step._replace(network=work.network)
    definition = step_definition(step)
    wanted, contents = _mounts_of(work, level, step, definition)
    cached = work.find_cached(level, definition, contents)
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
        _run(work, step, wanted, workspace, tail)
        snapshot = workspace.commit()
    except BaseException:
        workspace.discard()
        raise
    key = _key_afterwards(work, step, wanted, contents)
    return work.pack(
        level, workspace.changes, definition, step.info.where, contents=key, snapshot=snapshot, started=started
    )


def _mounts_of(work: Work, level: Level | None, step: RunStep, definition: bytes) -> tuple[tuple[Wanted, ...], str]:
    """The step's mounts, and the digest of the files that they show, the last part of the cache key."""
    if not step.mounts:
        return (), ""
    from lamella.build.mounts.opening import contents_key_of, find_mounts

    if work.only_cached:
        work.may_be_cached(level, definition)
    wanted = find_mounts(work, step)
    return wanted, contents_key_of(wanted)


def _key_afterwards(
    work: Work, step: RunStep, wanted: tuple[Wanted, ...], contents: str
) -> Callable[[PackedLayer], str]:
    """The last part of the cache key, which must not stand for other files than the step has seen."""
    if wanted:
        from lamella.build.mounts.bind import changed_since

        if any(changed_since(one.files) for one in wanted if one.files is not None):
            message = "files of the build context changed while the step ran: it will run again the next time"
            work.machine.emit(Note("warning", message, step.info.where))
            return lambda packed: f"changed {os.urandom(16).hex()}"
    return lambda packed: contents


def _run(work: Work, step: RunStep, wanted: tuple[Wanted, ...], workspace: Workspace, tail: deque[bytes]) -> None:
    from lamella.runtime.protocol import Sandbox

    held = 0

    def output(stream: int, data: bytes) -> None:
        nonlocal held
        work.machine.emit(StepOutput(work.step, stream, data))
        tail.append(data)
        held += len(data)
        while held - len(tail[0]) > _TAIL:
            held -= len(tail.popleft())

    process = _process(step, ContextSource(workspace.root))
    with ExitStack() as opened:
        mounts, env = _open_mounts(work, step, wanted, opened)
        sandbox = Sandbox(
            workspace.root,
            process._replace(env=_merged(process.env, env)),
            mounts,
            network="none" if step.network == "none" else "host",
            security=step.security,
            hostname=step.hostname,
        )
        status = work.machine.runner.run(sandbox, output)
    work.machine.check_cancelled()
    if status != 0:
        raise _failed(step, status, b"".join(tail))


def _open_mounts(
    work: Work, step: RunStep, wanted: tuple[Wanted, ...], opened: ExitStack
) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    """What the sandbox is given beside its root file system, and variables on top of the process's own."""
    mounts: tuple[Mount, ...] = ()
    env: tuple[str, ...] = ()
    if wanted:
        from lamella.build.mounts.opening import open_mounts
        from lamella.build.mounts.surroundings import Surroundings

        mounts, env = open_mounts(wanted, Surroundings(work, step, opened))
    if step.script is not None:
        from lamella.runtime.protocol import FileMount

        mounts += (FileMount(_script_path(step), step.script, 0o755, alone=True),)
    return mounts, env


def _script_path(step: RunStep) -> str:
    return f"/dev/pipes/{step.script_name}"


def _merged(env: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Each variable once; the later value wins."""
    last = {variable.partition("=")[0]: variable for variable in more}
    return (*(variable for variable in env if variable.partition("=")[0] not in last), *last.values())


def _failed(step: RunStep, status: int, output: bytes) -> StepFailed:
    hints = {
        127: "status 127: the shell or the program was not found in the image",
        126: "status 126: the program is there and cannot be executed (architecture, x bit, interpreter)",
        137: "status 137: killed, often for want of memory",
    }
    otherwise = (
        "the lines above are the last that it printed" if output else "it printed nothing; set -x would show more"
    )
    if current().kind == SINGLE:
        otherwise += "; here is one user id, so chown and changes of user fail (see lamella system info)"
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
        tuple(_script_path(step) if word == SCRIPT else word for word in step.argv),
        step.env + step.proxy_env,
        step.cwd,
        account.uid,
        account.gid,
        account.groups,
    )
