"""The mount calls that Python 3.11 does not have.

Sources: fsopen(2), fsconfig(2), fsmount(2), move_mount(2).
"""

from __future__ import annotations

import ctypes
import os

from lamella.userns.kernel import CLONE_NEWNS, MS_REC, MS_SLAVE, check, libc, mount, unshare

__all__ = [
    "CLONE_FS",
    "CLONE_NEWNS",
    "MNT_DETACH",
    "MS_REC",
    "MS_SLAVE",
    "mount",
    "mount_by_parts",
    "unmount",
    "unshare",
]

CLONE_FS = 0x00000200
MNT_DETACH = 2

# The same numbers on every architecture: they were given out after the tables were brought together.
_MOVE_MOUNT = 429
_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_CLOEXEC = 1
_SET_FLAG = 0
_SET_STRING = 1
_CREATE = 6
_EMPTY_SOURCE = 4
_AT_FDCWD = -100


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def unmount(target: str, flags: int = 0) -> None:
    check(libc.umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def mount_by_parts(kind: str, options: list[tuple[str, str | None]], target: str) -> None:
    """Mounts with the calls of Linux 5.2, option by option: no page is there to overflow.

    A pair ``(name, None)`` is a flag. Raises OSError with the option in ``filename``."""
    context = check(libc.syscall(_long(_FSOPEN), os.fsencode(kind), ctypes.c_uint(_CLOEXEC)), "fsopen")
    try:
        for name, value in options:
            command = _SET_FLAG if value is None else _SET_STRING
            _fsconfig(context, command, name, value)
        _fsconfig(context, _CREATE, None, None)
        tree = check(libc.syscall(_long(_FSMOUNT), _long(context), ctypes.c_uint(_CLOEXEC), _long(0)), "fsmount")
    finally:
        os.close(context)
    try:
        check(
            libc.syscall(
                _long(_MOVE_MOUNT), _long(tree), b"", _long(_AT_FDCWD), os.fsencode(target), _long(_EMPTY_SOURCE)
            ),
            target,
        )
    finally:
        os.close(tree)


def _fsconfig(context: int, command: int, name: str | None, value: str | None) -> None:
    result = libc.syscall(
        _long(_FSCONFIG),
        _long(context),
        _long(command),
        os.fsencode(name) if name is not None else None,
        os.fsencode(value) if value is not None else None,
        _long(0),
    )
    check(result, f"{name}={value}" if value is not None else name or "create")
