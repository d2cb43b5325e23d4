"""Tidying up after monitors that were killed: the kernel has ended their containers, mounts and namespaces."""

from __future__ import annotations

import os
import signal
import time

from lamella.container.folder import Folder
from lamella.container.table import Table
from lamella.container.values import EXITED, RUNNING, STARTING
from lamella.errors import LamellaError
from lamella.snapshot.erase import erase
from lamella.userns import within

_HALF_MADE = ("new.", "gone.")
_OLD = 60  # seconds


def recover(table: Table) -> None:
    """To be called before containers are looked at. Costs a look at each where nothing is to be done; does nothing
    where this user may not."""
    dead = [folder for folder in table.folders() if _recover_one(table, folder)]
    _sweep(table)
    if dead:
        within(lambda: _recover_machine(table.root))  # files may belong to subordinate ids of the user's


def _recover_one(table: Table, folder: Folder) -> bool:
    """Whether its monitor was killed."""
    try:
        if folder.state().status not in (STARTING, RUNNING):
            return False
        lock = folder.lock()
        if lock is None:
            return False
    except (OSError, LamellaError):
        return False
    try:
        container, state = folder.container(), folder.state()
        if state.status not in (STARTING, RUNNING):  # it has ended just now, by itself
            return False
        ended = state._replace(
            status=EXITED,
            pid=0,
            finished=time.time_ns(),
            exit_code=128 + signal.SIGKILL,
            error="its monitor was killed",
        )
        folder.write_state(ended)
        if container.remove:
            from lamella.container.volumes import Volumes

            Volumes(table.root).remove_anonymous(container)
            table.remove(folder, container.name)
        return True
    except (OSError, LamellaError):
        return False
    finally:
        os.close(lock)


def _recover_machine(root: str) -> None:
    """Control groups, folders of runtimes, file systems of the dead."""
    from lamella.runtime import find_runner
    from lamella.snapshot import enter_private_mounts, open_snapshotter

    try:
        runner = find_runner(os.path.join(root, "lamella", "run"))
        runner.recover()
        runner.close()
        enter_private_mounts()
        open_snapshotter(os.path.join(root, "lamella", "snapshots")).close()
    except LamellaError:
        pass


def _sweep(table: Table) -> None:
    """Folders of containers that somebody began to make or to remove, and died."""
    try:
        table.sweep_names()
        names = [name for name in os.listdir(table.path) if name.startswith(_HALF_MADE)]
    except (OSError, LamellaError):
        return
    for name in names:
        path = f"{table.path}/{name}"
        try:
            if time.time() - os.stat(path).st_mtime > _OLD:
                erase(path)
        except OSError:
            continue
