"""The runtime's own program file."""

from __future__ import annotations

import fcntl
import os

_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def find_program(name: str) -> str | None:
    """An executable of this name in PATH, or in the folders of the system that a user's PATH may leave out."""
    folders = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/")]
    for folder in (*folders, *_FOLDERS):
        path = f"{folder}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def sealed_copy(path: str) -> int | None:
    """A descriptor of a copy of ``path`` in memory that nobody can write to; None where the kernel cannot.

    runc makes such a copy of itself at every start, so that a container cannot overwrite the machine's runc
    (CVE-2019-5736), unless it finds that it runs from one: done once it saves a start of the program each time."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    copy = -1
    try:
        copy = os.memfd_create(os.path.basename(path), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        size, done = os.fstat(source).st_size, 0
        while done < size:
            done += os.sendfile(copy, source, done, size - done)
        os.fchmod(copy, 0o500)
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        return copy
    except OSError:
        if copy >= 0:
            os.close(copy)
        return None
    finally:
        os.close(source)
