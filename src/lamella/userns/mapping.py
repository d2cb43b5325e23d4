"""Which ids a namespace gets, and who writes that down.

A process may map its own id by itself. More are mapped by ``newuidmap`` and ``newgidmap``, which are setuid and look
them up in /etc/subuid and /etc/subgid. They have to be called from outside of the namespace: by a child that was forked
before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from lamella.userns import why
from lamella.userns.standing import Range
from lamella.userns.subids import SUBGID, SUBUID, lay_out, read_ranges

_FOLDERS = ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin")
_FAILED = 1


class Wanted(NamedTuple):
    """``uids`` and ``gids`` are empty where only the own ids can be had; ``reason`` and ``hint`` say why."""

    own_uid: int
    own_gid: int
    uids: tuple[Range, ...] = ()
    gids: tuple[Range, ...] = ()
    programs: tuple[str, str] = ("", "")
    reason: str = ""
    hint: str = ""


def wanted_maps(uid: int, gid: int) -> Wanted:
    """What this machine grants the user ``uid``."""
    own = Wanted(uid, gid)
    name = _name_of(uid)
    uids, gids = read_ranges(SUBUID, name, uid), read_ranges(SUBGID, name, uid)
    for path, ranges in ((SUBUID, uids), (SUBGID, gids)):
        if not ranges:
            hint = why.SUBIDS_HINT.format(user=name or uid)
            return own._replace(reason=f"the user {name or uid} has no subordinate ids in {path}", hint=hint)
    newuidmap, newgidmap = find_helper("newuidmap"), find_helper("newgidmap")
    if newuidmap is None or newgidmap is None:
        name = "newgidmap" if newuidmap else "newuidmap"
        return own._replace(reason=f"{name} is not installed", hint="as root: apt install uidmap")
    return Wanted(uid, gid, lay_out(uid, uids), lay_out(gid, gids), (newuidmap, newgidmap))


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def find_helper(name: str) -> str | None:
    """In the system's folders alone: what is called has root's rights."""
    return next((f"{folder}/{name}" for folder in _FOLDERS if os.access(f"{folder}/{name}", os.X_OK)), None)


def write_single(uid: int, gid: int) -> None:
    """Maps 0 to the own ids. Without setgroups, which could take away a group that is there to forbid something."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


class Helper:
    """A child that waits until the namespace is there. Ends by ``write_maps`` or ``dismiss``, one of them."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        start, self._start = os.pipe2(os.O_CLOEXEC)
        self._complaint, complaint = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._start)
            _guarded(lambda: self._serve(start, complaint))
        os.close(start)
        os.close(complaint)

    def _serve(self, start: int, complaint: int) -> int:
        pid = os.read(start, 32).decode("ascii")
        if not pid:  # dismissed, or left alone
            return 0
        os.dup2(complaint, 2)
        for program, ranges in zip(self._wanted.programs, (self._wanted.uids, self._wanted.gids), strict=True):
            words = [str(number) for one in ranges for number in one]
            if os.spawnve(os.P_WAIT, program, [program, pid, *words], {"PATH": "/usr/bin:/bin"}) != 0:
                return _FAILED
        return 0

    def write_maps(self, pid: int) -> str | None:
        """Has the maps of the process ``pid`` written. Returns what was said against it."""
        os.write(self._start, str(pid).encode("ascii"))
        os.close(self._start)
        said = b""
        while part := os.read(self._complaint, 4096):
            said += part
        os.close(self._complaint)
        _, status = os.waitpid(self._pid, 0)
        if status == 0:
            return None
        return said.decode("utf-8", "replace").strip().replace("\n", "; ") or "newuidmap failed"

    def dismiss(self) -> None:
        os.close(self._start)
        os.close(self._complaint)
        os.waitpid(self._pid, 0)


def _guarded(serve: Callable[[], int]) -> None:
    """In the child: ends it, whatever happens."""
    status = _FAILED
    try:
        status = serve()
    finally:
        os._exit(status)
