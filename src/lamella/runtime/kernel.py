"""What the runtime asks of the kernel and Python 3.11 does not have. Source: prctl(2); see ``userns.kernel``."""

from __future__ import annotations

import ctypes

from lamella.userns.kernel import CLONE_NEWNS, MS_REC, check, libc, mount, setns, unshare

__all__ = [
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_REC",
    "die_with_parent",
    "mount",
    "setns",
    "unshare",
]

CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_PRIVATE = 0x1000, 1 << 18
_PR_SET_PDEATHSIG = 1


def die_with_parent(signal: int) -> None:
    """The kernel sends ``signal`` to this process when the thread that made it ends."""
    check(libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl")
