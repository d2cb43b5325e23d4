"""A user namespace that another process of the user made, and a moment in one of our own.

The user who made a namespace has every right in it, from outside. From another namespace there is none: so who wants to
reach a container stays outside, and enters that container's. Source: user_namespaces(7), setns(2).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from lamella.errors import MachineError, NoPrivilege
from lamella.userns.enter import enter
from lamella.userns.kernel import CLONE_NEWUSER, setns
from lamella.userns.standing import PLAIN, current

_FAILED = 1


def join(pid: int) -> None:
    """Enters the user namespace of the process ``pid``, where that is not this process's already. Before any thread
    starts. Raises NoPrivilege where it is another user's, MachineError where the process has ended."""
    path = f"/proc/{pid}/ns/user"
    try:
        if os.readlink(path) == os.readlink("/proc/self/ns/user"):
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(descriptor, CLONE_NEWUSER)
        finally:
            os.close(descriptor)
    except PermissionError:
        raise NoPrivilege("it belongs to another user", hint="call it as the user who started it") from None
    except OSError as error:
        raise MachineError(f"its user namespace cannot be entered: {error.strerror}") from None


def within(call: Callable[[], None]) -> bool:
    """``call`` in a child that has entered a user namespace of ours, for who must stay outside. Whether it went well;
    what it raises is lost. Without a namespace, or as root, it is called right here."""
    if current().kind != PLAIN:
        call()
        return True
    child = os.fork()
    if child == 0:
        status = _FAILED
        try:
            if enter().in_namespace:
                call()
                status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0
