"""``exec``: one more process in a container that runs, in front or detached."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from lamella.container.attach import FORWARDED, raw
from lamella.container.folder import Folder
from lamella.container.monitor import handle_of, refusal
from lamella.container.sandbox import user_in
from lamella.container.streams import Attached, Streams, get_size, set_size
from lamella.container.values import RUNNING, State
from lamella.errors import InputError
from lamella.runtime.execute import beside_process, launch_beside, own_process
from lamella.runtime.launch import Launched, Place
from lamella.runtime.protocol import Process


class Execution(NamedTuple):
    """``user`` and ``cwd`` None are those of the container's first process. ``env`` comes on top of its own."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str | None = None
    user: str | None = None
    terminal: bool = False
    stdin: bool = False
    detached: bool = False
    privileged: bool = False


def place_of(folder: Folder) -> tuple[Place, State]:
    """Where a running container's runtime is. Raises InputError where it is not running."""
    state = folder.state()
    if state.status != RUNNING or not state.pid or not folder.watched():
        raise InputError(
            f"the container {folder.id[:12]} is not running",
            hint="`lamella ps -a` says how it ended",
            code="not-running",
        )
    return Place(state.runtime, state.bundle, state.name), state


def process_for(place: Place, pid: int, asked: Execution) -> dict[str, Any]:
    """The process as the runtime takes it. ``pid`` is the container's first process. Raises InputError for a user that
    is not there, and where the container has ended."""
    from lamella.runtime import capabilities as caps

    base = own_process(place)
    user = base["user"]
    uid, gid, groups = user["uid"], user["gid"], tuple(user["additionalGids"])
    if asked.user is not None:
        account = user_in(f"/proc/{pid}/root", asked.user)
        uid, gid, groups = account.uid, account.gid, account.groups
    terminal = ("TERM=xterm",) if asked.terminal else ()
    variables = {text.partition("=")[0]: text for text in (*base["env"], *terminal, *asked.env)}
    env = tuple(text for text in variables.values() if "=" in text)
    cwd = asked.cwd if asked.cwd is not None else base["cwd"]
    if not cwd.startswith("/"):
        raise InputError(f"the working directory {cwd!r} is not absolute", hint="it begins with a slash")
    process = beside_process(base, Process(asked.args, env, cwd, uid, gid, groups), asked.terminal)
    if asked.privileged:
        names = [name for name in caps.NAMES if name in caps.held()]
        process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), names)
    return process


def execute(folder: Folder, program: str, asked: Execution) -> int:
    """Runs it with this process's standard streams; returns its exit status. ``program`` is the runtime's path.

    Raises InputError where the container is not running or the program cannot be started (exit code 126 or 127)."""
    place, state = place_of(folder)
    if asked.detached:
        return _detach(program, place, process_for(place, state.pid, asked._replace(terminal=False)), asked.args[0])
    process = process_for(place, state.pid, asked)
    size = next((size for number in (0, 1, 2) if (size := get_size(number)) != (0, 0)), (0, 0))
    running: list[Launched] = []
    streams = Streams(
        Attached(0 if asked.stdin else -1, 1, 2, size),
        terminal=asked.terminal,
        stdin=asked.stdin,
        on_loss=lambda: running[0].kill() if running else None,
    )
    with launch_beside(program, place, process, streams.theirs, lambda: streams.last) as launched:
        running.append(launched)
        streams.relay(None)
        return _follow(launched, streams, asked.args[0], 0 if asked.terminal and asked.stdin else -1)


def _detach(program: str, place: Place, process: dict[str, Any], name: str) -> int:
    """Returns when it runs. Nobody reads what it writes, as in Docker."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        with launch_beside(program, place, process, (null, null, null), lambda: b"", detach=True) as launched:
            status = launched.wait()
            if launched.refused:
                raise refusal(name, status)
            return status
    finally:
        os.close(null)


def _follow(launched: Launched, streams: Streams, program: str, terminal: int) -> int:
    pid = launched.wait_started()
    if pid is not None:
        streams.decide(True)
        with _forwarding(pid, launched, streams, terminal), raw(terminal):
            status = launched.wait()
            streams.finish()
        return status
    status = launched.wait()
    streams.decide(not launched.refused)
    streams.finish()
    if launched.refused:
        raise refusal(program, status)
    return status


@contextmanager
def _forwarding(pid: int, launched: Launched, streams: Streams, terminal: int) -> Iterator[None]:
    """Signals go to the process, a new size of the terminal to its own."""

    handle = handle_of(pid)  # its number may be given out again

    def forward(number: int, frame: FrameType | None) -> None:
        try:
            if handle >= 0:
                signal.pidfd_send_signal(handle, number)
        except (ProcessLookupError, PermissionError):
            pass

    def resize(number: int, frame: FrameType | None) -> None:
        set_size(streams.master, get_size(terminal))
        launched.resized()

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    if terminal >= 0:
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if handle >= 0:
            os.close(handle)
