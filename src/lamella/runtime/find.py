"""Which OCI runtime this machine has, and whether it works."""

from __future__ import annotations

from lamella.errors import NoRuntime
from lamella.runtime.launcher import find_program
from lamella.runtime.oci import OCIRunner

_KNOWN = ("runc", "crun")


def find_runner(state_root: str, preferred: str | None = None) -> OCIRunner:
    """The runner for ROOT/lamella/run. ``preferred`` is a runtime's name or path (what LAMELLA_RUNTIME says).

    Raises NoRuntime, with a hint, where there is none."""
    for name in (preferred,) if preferred else _KNOWN:
        program = name if "/" in name else find_program(name)
        if program is not None:
            return OCIRunner(program, state_root)
    raise NoRuntime(
        f"no OCI runtime {preferred!r}" if preferred else "no OCI runtime was found (looked for runc, then crun)",
        hint="install one, for example: apt install runc",
    )
