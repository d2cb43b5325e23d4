"""Writing a file in place: whole or not at all, with the mode and owner it had."""

from __future__ import annotations

import os

from lamella.errors import InputError


def replace_text(path: str, before: str, after: str) -> None:
    """Puts ``after`` into the file whose text was ``before``. A symbolic link keeps leading where it led.

    Raises InputError where the file holds something else by now, OSError where it cannot be written; then it is
    as it was."""
    path = os.path.realpath(path)
    with open(path, "rb") as file:
        if file.read() != before.encode():
            raise InputError("the file was changed meanwhile, and is left alone", where=path, hint="run it again")
        stat = os.fstat(file.fileno())
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}")
    try:
        with open(temporary, "xb") as file:
            file.write(after.encode())
            os.fchmod(file.fileno(), stat.st_mode & 0o7777)
            if (stat.st_uid, stat.st_gid) != (os.geteuid(), os.getegid()):
                _keep_owner(file.fileno(), stat)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _keep_owner(descriptor: int, stat: os.stat_result) -> None:
    """Somebody else's file stays his where the system lets us."""
    try:
        os.fchown(descriptor, stat.st_uid, stat.st_gid)
    except PermissionError:
        pass
