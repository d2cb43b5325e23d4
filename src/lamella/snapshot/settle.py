"""Which snapshots have surely reached the disk.

Nothing is synced when a snapshot is committed: that would cost more than many a step. The kernel writes everything out
within half a minute or so. If the machine loses power before, files of a snapshot may be empty, and nobody would
notice. So a snapshot is *unsettled* at first, and unsettled ones of an earlier run of the kernel are not trusted.

    ROOT/unsettled/HEX   an empty file for each chain ID that was bound lately
    ROOT/kernel-run      a symlink to the boot ID under which the store was last opened
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

#: seconds; the kernel's own limits are 30 for a page's age and 5 for the rounds of writing (vm.dirty_* in sysctl)
_SETTLED_AFTER = 120


def kernel_run() -> str:
    """The boot ID: another one after each start of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


class Settling:
    """The marks of one store. The caller holds the store's lock."""

    def __init__(self, root: str) -> None:
        self._marks = os.path.join(root, "unsettled")
        self._run = os.path.join(root, "kernel-run")

    def mark(self, name: str) -> None:
        """Before ``name`` is bound: it is unsettled. Raises OSError."""
        path = f"{self._marks}/{name}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            os.makedirs(self._marks, mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.utime(descriptor)
        os.close(descriptor)

    def settle(self, unbind: Callable[[str], object]) -> bool:
        """Takes the marks off what is on the disk by now. After a start of the machine: ``unbind`` is called with each
        name that still has one, and the answer is whether there were any. Raises OSError."""
        now = kernel_run()
        names = os.listdir(self._marks) if os.path.isdir(self._marks) else []
        if self._last_run() == now:
            limit = time.time() - _SETTLED_AFTER
            for name in names:
                if os.stat(f"{self._marks}/{name}").st_mtime < limit:
                    os.unlink(f"{self._marks}/{name}")
            return False
        for name in names:
            unbind(name)
            os.unlink(f"{self._marks}/{name}")
        fresh = f"{self._run}.{os.getpid()}"
        os.symlink(now, fresh)
        os.replace(fresh, self._run)
        return bool(names)

    def _last_run(self) -> str | None:
        try:
            return os.readlink(self._run)
        except FileNotFoundError:
            return None
