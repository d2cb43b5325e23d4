"""Ending containers: signals to their process, and removing what is known of them."""

from __future__ import annotations

import os
import signal
import time

from lamella.container.folder import Folder
from lamella.container.table import Table
from lamella.container.values import RUNNING, STARTING, Container, State
from lamella.container.volumes import Volumes
from lamella.errors import InputError, MachineError, StoreDamaged
from lamella.runtime.launch import children

_PAUSE = 0.01
_TIDYING = 30.0  # seconds that a monitor may take to tidy up after the process has ended


def send_signal(folder: Folder, number: int) -> bool:
    """Sends it to the container's first process; False where that has ended.

    Raises InputError where the container is not running."""
    state = folder.state()
    if state.status != RUNNING or not folder.watched():
        raise InputError(f"the container {folder.id[:12]} is not running", code="not-running")
    return _signal(folder, state, number)


def _signal(folder: Folder, state: State, number: int) -> bool:
    """A process number may be given out again: it counts only as long as it is a child of the container's runtime."""
    try:
        handle = os.pidfd_open(state.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if not folder.watched() or folder.state().pid != state.pid or state.pid not in children(state.runtime):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(handle)


def stop_container(folder: Folder, container: Container, seconds: int) -> None:
    """The stop signal, and SIGKILL after ``seconds`` (-1: never). Returns when nothing of it runs any more; does
    nothing where it has ended already. Raises MachineError where it does not end."""
    if not is_running(folder):
        wait_for_monitor(folder)
        return
    _signal(folder, folder.state(), container.stop_signal)
    if not _ends_within(folder, float("inf") if seconds < 0 else seconds):
        kill_container(folder)
    wait_for_monitor(folder)


def kill_container(folder: Folder) -> None:
    """SIGKILL for its first process, with which all others go. One that is about to start is killed then."""
    end = time.monotonic() + _TIDYING
    while is_running(folder) and time.monotonic() < end:
        _signal(folder, folder.state(), signal.SIGKILL)
        time.sleep(_PAUSE)
    wait_for_monitor(folder)


def is_running(folder: Folder) -> bool:
    try:
        return folder.state().status in (STARTING, RUNNING) and folder.watched()
    except FileNotFoundError:
        return False


def _ends_within(folder: Folder, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_running(folder):
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)
    return True


def wait_for_monitor(folder: Folder) -> None:
    """Until it has tidied up and is gone."""
    end = time.monotonic() + _TIDYING
    while folder.watched():
        if time.monotonic() > end:
            raise MachineError(
                f"the container {folder.id[:12]} does not end",
                hint="a process in it hangs in the kernel, or its disk does",
            )
        time.sleep(_PAUSE)


def remove_container(table: Table, folder: Folder, *, force: bool) -> None:
    """Raises InputError where it is running and ``force`` does not say to kill it, StoreDamaged where nobody knows
    and ``force`` does not say to remove it all the same."""
    try:
        running = is_running(folder)
    except StoreDamaged:
        if not force or folder.watched():
            raise
        table.remove(folder, "")
        return
    if running:
        if not force:
            raise InputError(
                f"the container {folder.id[:12]} is running",
                hint="stop it first, or remove it with --force",
                code="running",
            )
        kill_container(folder)
    wait_for_monitor(folder)
    try:
        container = folder.container()
    except FileNotFoundError:  # with --rm it has removed itself
        return
    Volumes(table.root).remove_anonymous(container)
    table.remove(folder, container.name)


def wait_for_end(folder: Folder) -> int:
    """The exit status of a container, once it has ended and nothing is left of it."""
    code = folder.wait_for_end(_PAUSE)
    if code is not None:
        return code
    try:
        return folder.state().exit_code
    except FileNotFoundError:
        return 128 + signal.SIGKILL
