"""Limits by control groups, and whether this machine can set them.

Sources: OCI runtime-spec config-linux.md, "Control groups"; the kernel's cgroup-v1/ and cgroup-v2.rst.
"""

from __future__ import annotations

import os
from typing import Any

from lamella.errors import MachineError
from lamella.runtime.cgroups import own_groups
from lamella.runtime.protocol import Limits
from lamella.userns.standing import ROOT, current

_MOUNT = "/sys/fs/cgroup"
_PERIOD = 100_000  # microseconds, as Docker's


def limiting(limits: Limits) -> dict[str, Any]:
    """The part ``linux.resources`` of a bundle; empty where nothing is limited."""
    resources: dict[str, Any] = {}
    if limits.memory:
        resources["memory"] = {"limit": limits.memory}
        if _counts_swap():  # as Docker: as much swap again
            resources["memory"]["swap"] = 2 * limits.memory
    if limits.cpus:
        resources["cpu"] = {"quota": round(limits.cpus * _PERIOD), "period": _PERIOD}
    if limits.pids:
        resources["pids"] = {"limit": limits.pids}
    return resources


def require_controllers(limits: Limits) -> None:
    """Raises MachineError naming the first limit whose controller this machine does not have."""
    there = _controllers()
    for value, controller, flag in (
        (limits.memory, "memory", "--memory"),
        (limits.cpus, "cpu", "--cpus"),
        (limits.pids, "pids", "--pids-limit"),
    ):
        if value and not _are_ours():
            raise MachineError(
                f"{flag} cannot be kept: control groups are not delegated to this user",
                where=_MOUNT,
                hint=f"start without {flag}, or run as root (sudo lamella ...)",
                code="no-delegation",
            )
        if value and controller not in there:
            raise MachineError(
                f"{flag} cannot be kept: the cgroup controller {controller!r} is not available here",
                where=_MOUNT,
                hint=f"start without {flag}, or switch the controller on (it may be off on the kernel's command line)",
                code="no-controller",
            )


def _are_ours() -> bool:
    """Whether a group can be made below this process's own: root can, a user to whom that group was given, too."""
    if current().kind == ROOT:
        return True
    path = next((line[3:] for line in own_groups().splitlines() if line.startswith("0::/")), "/")
    return os.path.exists(f"{_MOUNT}/cgroup.controllers") and os.access(f"{_MOUNT}{path}", os.W_OK)


def _controllers() -> frozenset[str]:
    """Those that a group of ours could use, of version 2 or 1."""
    try:
        with open(f"{_MOUNT}/cgroup.controllers", encoding="ascii") as file:
            return frozenset(file.read().split())
    except OSError:
        pass
    try:
        mounted = os.listdir(_MOUNT)
    except OSError:
        return frozenset()
    return frozenset(
        name for folder in mounted for name in folder.split(",") if os.path.exists(f"{_MOUNT}/{folder}/tasks")
    )


def _counts_swap() -> bool:
    return os.path.exists(f"{_MOUNT}/memory/memory.memsw.limit_in_bytes")
