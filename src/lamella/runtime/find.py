"""Which OCI runtime this machine has."""

from __future__ import annotations

import os

from lamella.errors import NoPrivilege, NoRuntime
from lamella.runtime.capabilities import held
from lamella.runtime.oci import OCIRunner
from lamella.runtime.program import find_program
from lamella.userns.standing import PLAIN, current

_KNOWN = ("runc", "crun")
_CGROUPS = "/sys/fs/cgroup"


def find_runner(state_root: str, preferred: str | None = None) -> OCIRunner:
    """The runner for the folder ROOT/lamella/run. ``preferred`` is a runtime's name or path (LAMELLA_RUNTIME says it).

    Nothing is started to find out: it would cost as much as a step. Raises NoRuntime where there is none, NoPrivilege
    where this process may not make namespaces."""
    program = find_runtime(preferred)
    standing = current()
    if "CAP_SYS_ADMIN" not in held() or (standing.kind == PLAIN and standing.reason):
        raise NoPrivilege(
            "running a command in a container needs root, or a user namespace",
            detail=standing.reason or None,
            hint=standing.hint or "run as root (sudo lamella ...); inside of a container, that one needs --privileged",
        )
    return OCIRunner(program, state_root)


def find_runtime(preferred: str | None = None) -> str:
    """The path of the runtime's program. Raises NoRuntime."""
    if preferred:
        program = preferred if "/" in preferred else find_program(preferred)
        if program is None or not os.access(program, os.X_OK):
            raise NoRuntime(
                f"the OCI runtime {preferred!r} was not found",
                hint="LAMELLA_RUNTIME names a program or its path; apt install runc brings one",
            )
        return os.path.abspath(program)
    found = {name: find_program(name) for name in _KNOWN}
    if found["runc"] is not None:
        return found["runc"]
    if found["crun"] is None:
        raise NoRuntime(
            "no OCI runtime was found (looked for runc, then crun)",
            hint="install one, for example: apt install runc; or name it with LAMELLA_RUNTIME",
        )
    if _hybrid_cgroups():
        raise NoRuntime(
            "crun does not work on this machine, whose cgroups are of both versions",
            where=found["crun"],
            hint="install runc, for example: apt install runc",
        )
    return found["crun"]


def _hybrid_cgroups() -> bool:
    """Version 1 with version 2 beside it: systemd's "hybrid" layout."""
    return os.path.isdir(f"{_CGROUPS}/unified") and not os.path.exists(f"{_CGROUPS}/cgroup.controllers")
