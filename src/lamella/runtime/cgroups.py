"""Control groups that a runtime made and, being killed, did not remove. Source: cgroups(7), "/proc/[pid]/cgroup"."""

from __future__ import annotations

import errno
import os
import time

_MOUNT = "/sys/fs/cgroup"
_PATIENCE = 5.0  # seconds: what was killed a moment ago takes its time to be gone, on a busy machine more


def own_groups() -> str:
    """This process's groups as the kernel writes them: the runtime makes a container's below these."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def warm_up(groups: str) -> None:
    """Makes the kernel ready to move processes between groups; returns when it is.

    The first move after some 20 ms of none waits for all processors to pass a quiet moment, 5 to 15 ms here; those soon
    after it do not. The runtime makes such a move for each container, so somebody may wait for it while the runtime
    still starts. The move made is of this process into the group that it is in: nothing changes. ``groups`` is what
    :func:`own_groups` gave."""
    path = next((line[3:] for line in groups.splitlines() if line.startswith("0::/")), None)
    if path is None:
        return
    version2 = _MOUNT if os.path.exists(f"{_MOUNT}/cgroup.controllers") else f"{_MOUNT}/unified"
    try:
        file = os.open(f"{version2}{path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(file, b"0")  # whoever writes
    except OSError:  # only a saving of time
        pass
    finally:
        os.close(file)


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
