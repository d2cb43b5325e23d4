"""A mount namespace of our own: when the process dies, by whatever death, its mounts die with it.

``unshare(CLONE_NEWNS)`` works on the calling thread alone, and threads made later inherit from the thread that makes
them. So there is one moment when it covers the whole process: in the main thread, while no other thread exists.
"""

from __future__ import annotations

import os
import threading

_inside = False


def enter_private_mounts() -> bool:
    """Gives this process its own mount namespace, once; later calls do nothing.

    Call it in the main thread before any other thread starts. Mounts of the machine still come in (slave
    propagation), none of ours goes out; programs started later are inside too. Returns False, and changes nothing,
    where it cannot be: other threads run already, or the process may not. Mounts then show on the machine and, after
    a SIGKILL, stay until the next ``recover``."""
    global _inside  # noqa: PLW0603  the namespace is the process's own, so is the knowledge of it
    if _inside:
        return True
    if threading.current_thread() is not threading.main_thread() or len(os.listdir("/proc/self/task")) > 1:
        return False
    from lamella.snapshot import kernel

    try:
        kernel.unshare(kernel.CLONE_NEWNS)
        # Refused where the root is no mount (a plain chroot): what we mount then shows outside as before.
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE, None)
    except OSError:
        return False
    _inside = True
    return True


def enter_namespaces() -> None:
    """Of mounts, and for an ordinary user of ids too: before there is a second thread. Raises as ``userns.enter``."""
    if os.geteuid() == 0:
        enter_private_mounts()
    else:
        from lamella.userns import enter

        enter()


def mounts_are_private() -> bool:
    return _inside
