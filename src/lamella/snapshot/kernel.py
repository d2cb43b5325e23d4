"""The mount calls that Python 3.11 does not have.

Sources: mount_namespaces(7), mount(2), fsopen(2), fsconfig(2), fsmount(2), move_mount(2).
"""

from __future__ import annotations

import ctypes
import os

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
MS_REC = 0x4000
MS_SLAVE = 1 << 19
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

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    """mount(2). ``data`` is cut by the kernel at one page: the caller sees to that."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        os.fsencode(kind) if kind is not None else None,
        ctypes.c_ulong(flags),
        os.fsencode(data) if data is not None else None,
    )
    _check(result, target)


def unmount(target: str, flags: int = 0) -> None:
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def mount_by_parts(kind: str, options: list[tuple[str, str | None]], target: str) -> None:
    """Mounts with the calls of Linux 5.2, option by option: no page is there to overflow.

    A pair ``(name, None)`` is a flag. Raises OSError with the option in ``filename``."""
    context = _check(_libc.syscall(_long(_FSOPEN), os.fsencode(kind), ctypes.c_uint(_CLOEXEC)), "fsopen")
    try:
        for name, value in options:
            command = _SET_FLAG if value is None else _SET_STRING
            _fsconfig(context, command, name, value)
        _fsconfig(context, _CREATE, None, None)
        tree = _check(_libc.syscall(_long(_FSMOUNT), _long(context), ctypes.c_uint(_CLOEXEC), _long(0)), "fsmount")
    finally:
        os.close(context)
    try:
        _check(
            _libc.syscall(
                _long(_MOVE_MOUNT), _long(tree), b"", _long(_AT_FDCWD), os.fsencode(target), _long(_EMPTY_SOURCE)
            ),
            target,
        )
    finally:
        os.close(tree)


def _fsconfig(context: int, command: int, name: str | None, value: str | None) -> None:
    result = _libc.syscall(
        _long(_FSCONFIG),
        _long(context),
        _long(command),
        os.fsencode(name) if name is not None else None,
        os.fsencode(value) if value is not None else None,
        _long(0),
    )
    _check(result, f"{name}={value}" if value is not None else name or "create")
