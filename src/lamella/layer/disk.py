"""What the machine says when a write fails, in this project's errors."""

from __future__ import annotations

import errno

from lamella.errors import MachineError, NoSpace


def write_error(error: OSError, where: str | None = None) -> MachineError:
    """NoSpace for a full disk or quota, MachineError for anything else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("the disk is full", where=where, hint="free some space, or choose another store with --root")
    return MachineError(f"the file cannot be written ({error.strerror or error})", where=where)
