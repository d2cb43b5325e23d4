"""Files of the store: written whole or not at all, and disk errors in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from lamella.errors import MachineError, NoSpace

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def disk_error(error: OSError, where: str, doing: str) -> MachineError:
    """The error a user reads when the system refused ``doing`` (for example "write a blob") at ``where``."""
    if error.errno in _FULL:
        return NoSpace(
            f"cannot {doing}: no space left on the device",
            where=where,
            hint="free some space with `lamella image prune`, or name a store elsewhere with --root",
        )
    if error.errno in _REFUSED:
        return MachineError(
            f"cannot {doing}: {(error.strerror or str(error)).lower()}",
            where=where,
            hint="name a store you may write to, with --root or LAMELLA_ROOT",
            code="no-permission",
        )
    return MachineError(f"cannot {doing}: {error.strerror or error}", where=where)


@contextmanager
def disk_errors(where: str, doing: str) -> Iterator[None]:
    """Turns OSError into MachineError or NoSpace."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, where, doing) from None


def write_atomically(path: str, data: bytes, temporary: str) -> None:
    """Writes ``temporary`` (on the same file system), syncs it and renames it to ``path``. Raises OSError; the
    temporary file is gone then and ``path`` as it was."""
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError:
        remove_quietly(temporary)
        raise


@contextmanager
def replacing(path: str, doing: str) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` once all is written: a failure leaves what was there, a kill nothing
    else. A device or a pipe is written directly. Raises MachineError saying that the system refused ``doing``."""
    with disk_errors(path, doing):
        if (os.path.exists(path) and not os.path.isfile(path)) or path.startswith(("/dev/fd/", "/dev/std", "/proc/")):
            with open(path, "wb") as file:
                yield file
            return
        target = os.path.realpath(path)
        beside = f"{target}.{os.getpid()}.part"
        try:
            with open(path, "wb", opener=lambda _, flags: _open_nameless(beside, flags)) as file:
                yield file
                file.flush()
                if not os.path.lexists(beside):
                    here = file.fileno()
                    os.link(f"/proc/self/fd/{here}", beside, src_dir_fd=here)  # with it Python follows the link
            os.replace(beside, target)
        except BaseException:
            remove_quietly(beside)
            raise


def _open_nameless(beside: str, flags: int) -> int:
    """A file without a name, gone with its process; one named ``beside`` where the file system has no such."""
    flags &= os.O_ACCMODE | os.O_CLOEXEC
    try:
        return os.open(os.path.dirname(beside), flags | os.O_TMPFILE, 0o666)
    except OSError:
        return os.open(beside, flags | os.O_CREAT | os.O_TRUNC, 0o666)


def sync_path(path: str) -> None:
    """Waits until a file (or the names in a folder) is on the disk. A file that is gone needs no waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(folder: str, needed: int = 1 << 18) -> bool:
    """Whether fewer than ``needed`` bytes are left for this user where ``folder`` lies."""
    try:
        about = os.statvfs(folder)
    except OSError:
        return False
    return about.f_bavail * about.f_frsize < needed


def remove_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
