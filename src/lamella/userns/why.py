"""Why a user namespace cannot be had, or not with more ids, in words that help."""

from __future__ import annotations

import errno
import os

SUBIDS_HINT = (
    "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}, with ids nobody else has"
)

_SWITCH = "/proc/sys/kernel/unprivileged_userns_clone"  # Debian's own
_LIMIT = "/proc/sys/user/max_user_namespaces"
_APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"  # Ubuntu's own


def refused(error: OSError) -> tuple[str, str]:
    """Reason and hint for an unshare(2) that failed."""
    if _read(_SWITCH) == "0":
        return "user namespaces are switched off for ordinary users", f"as root: sysctl -w {_name(_SWITCH)}=1"
    if _read(_LIMIT) == "0":
        return "user namespaces are switched off", f"as root: sysctl -w {_name(_LIMIT)}=10000"
    if error.errno in (errno.ENOSPC, errno.EUSERS):
        return "there are too many user namespaces, or too deep ones", f"as root: raise the sysctl {_name(_LIMIT)}"
    if error.errno in (errno.EINVAL, errno.ENOSYS):
        return "this kernel has no user namespaces", "run as root (sudo lamella ...)"
    if not os.path.exists("/proc/self/uid_map"):
        return "there is no /proc", "mount it, or run as root"
    return (
        f"a user namespace is refused ({error.strerror})",
        "inside of a container, that one has to allow it (Docker: --security-opt seccomp=unconfined), or run as root",
    )


def switched_off() -> tuple[str, str]:
    """Reason and hint where a look has shown that there is none to be had."""
    return refused(OSError(errno.EPERM, os.strerror(errno.EPERM)))


def powerless() -> tuple[str, str]:
    """The namespace could be entered and gives no right in it."""
    if _read(_APPARMOR) == "1":
        return (
            "AppArmor takes all rights from user namespaces here",
            f"as root: sysctl -w {_name(_APPARMOR)}=0, or give lamella a profile that allows userns",
        )
    return "a security module takes the rights from user namespaces here", "run as root (sudo lamella ...)"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _name(path: str) -> str:
    return path.removeprefix("/proc/sys/").replace("/", ".")
