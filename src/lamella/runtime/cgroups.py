"""Control groups that a runtime made and, being killed, did not remove. Source: cgroups(7), "/proc/[pid]/cgroup"."""

from __future__ import annotations

import errno
import os
import time

_MOUNT = "/sys/fs/cgroup"
_PATIENCE = 0.5  # seconds: what was killed a moment ago takes its time to be gone


def own_groups() -> str:
    """This process's groups as the kernel writes them: the runtime makes a container's below these."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def remove_groups(container: str, parents: str) -> None:
    """Removes the groups of a container in which nothing runs any more. ``parents`` is what :func:`own_groups` gave in
    the process that started it."""
    places = {line.split(":", 2)[2].strip("/") for line in parents.splitlines() if line.count(":") >= 2}
    try:
        hierarchies = ["", *os.listdir(_MOUNT)]  # version 2 is mounted at the top, version 1 one level down
    except OSError:
        return
    for hierarchy in hierarchies:
        for place in {"", *places}:
            _remove(os.path.join(_MOUNT, hierarchy, place, container))


def _remove(group: str) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            os.rmdir(group)
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                return
        time.sleep(0.005)
