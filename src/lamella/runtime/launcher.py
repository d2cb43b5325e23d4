"""What stands between us and the runtime, so that a container dies when we do, even by SIGKILL.

The kernel does it all: ``setpriv`` asks for a signal at its parent's death, ``unshare`` makes a PID namespace in which
the runtime is process 1 and asks the same for that one. When process 1 of a PID namespace dies, all in it die: the
runtime, the container, and what it left in the background. Both programs are part of util-linux.
"""

from __future__ import annotations

import os

_FOLDERS = ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin")


def find_program(name: str) -> str | None:
    """An executable of this name in PATH, or in the folders of the system that a user's PATH may leave out."""
    folders = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/")]
    for folder in (*folders, *_FOLDERS):
        path = f"{folder}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def leash() -> list[str]:
    """The words to put before a command; none where this machine lacks the programs."""
    setpriv, unshare = find_program("setpriv"), find_program("unshare")
    if setpriv is None or unshare is None or os.path.realpath(unshare).endswith("busybox"):
        return []
    return [setpriv, "--pdeathsig", "KILL", unshare, "--fork", "--pid", "--kill-child=KILL", "--mount-proc"]
