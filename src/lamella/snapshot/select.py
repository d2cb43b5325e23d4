"""Which backend this machine can bear."""

from __future__ import annotations

import os

from lamella.errors import MachineError, NoPrivilege
from lamella.snapshot.idmap import keep_map
from lamella.snapshot.protocol import Snapshotter
from lamella.snapshot.settle import kernel_run
from lamella.snapshot.table import disk_errors
from lamella.userns.standing import MAPPED, PLAIN, ROOT, SINGLE, current

_probed: dict[str, bool] = {}
_MARK = "overlay-works"  # a symlink to the boot ID under which it did
#: Files of one kind mean something else to another: owners are true, shifted, noted beside the files, or lost.
SUFFIXES = {ROOT: "", MAPPED: "-user", SINGLE: "-single", PLAIN: "-plain"}


def open_snapshotter(root: str, backend: str = "auto") -> Snapshotter:
    """The snapshotter of the store's folder ``root`` (ROOT/lamella/snapshots; made where missing).

    ``backend``: ``auto`` takes ``overlay`` where it can be mounted, else ``copy``. Call ``enter_private_mounts`` first,
    so that no mount outlives this process. What dead processes left is removed. Raises NoPrivilege where ``overlay``
    was asked for and cannot be had, or the folder cannot be written; NoSpace; MachineError for an unknown backend."""
    if backend not in ("auto", "overlay", "copy"):
        raise MachineError(f"unknown snapshot backend {backend!r}", hint="one of auto, overlay, copy")
    with disk_errors("the folder for snapshots cannot be made"):
        os.makedirs(root, mode=0o711, exist_ok=True)
    standing = current()
    suffix = SUFFIXES[standing.kind]
    if standing.kind == MAPPED:
        keep_map(root, standing)
    if backend != "copy" and overlay_works(root):
        from lamella.snapshot.overlay import OverlaySnapshotter

        overlay = OverlaySnapshotter(os.path.join(root, "overlay" + suffix))
        overlay.recover()
        return overlay
    if backend == "overlay":
        raise NoPrivilege(
            "overlayfs cannot be mounted here",
            where=root,
            detail=standing.reason or None,
            hint=standing.hint or "run as root on a kernel with overlayfs, or take the copy backend",
        )
    from lamella.snapshot.copy import CopySnapshotter

    copy = CopySnapshotter(os.path.join(root, "copy" + suffix))
    copy.recover()
    return copy


def open_for_removal(root: str, name: str) -> Snapshotter:
    """What some backend keeps in the folder ``root``/``name``, whether it works now or not. Raises MachineError where
    another user's it is."""
    from lamella.snapshot.copy import CopySnapshotter
    from lamella.snapshot.overlay import OverlaySnapshotter

    standing = current()
    user = name.endswith((SUFFIXES[MAPPED], SUFFIXES[SINGLE], SUFFIXES[PLAIN]))
    about = os.stat(f"{root}/{name}")
    if about.st_uid != os.geteuid() or (standing.kind == ROOT and user):
        raise NoPrivilege("snapshots of another user", where=f"{root}/{name}", hint="only that user can remove them")
    if name.endswith(SUFFIXES[MAPPED]):
        if standing.kind != MAPPED:
            raise NoPrivilege("snapshots of subordinate ids", where=f"{root}/{name}", hint=standing.hint or None)
        keep_map(root, standing)
    return (OverlaySnapshotter if name.startswith("overlay") else CopySnapshotter)(f"{root}/{name}")


def overlay_works(root: str) -> bool:
    """Tries a mount below ``root``: once a process, and where it worked, once in the life of this kernel."""
    place = root + SUFFIXES[current().kind]
    known = _probed.get(place)
    if known is None:
        known = _probed[place] = _may_mount() and (_worked_before(root) or _try_mount(root))
    return known


def _may_mount() -> bool:
    """Root with the capability to mount (CAP_SYS_ADMIN, 21)."""
    with open("/proc/self/status", encoding="ascii") as status:
        held = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    return current().privileged and bool(int(held, 16) >> 21 & 1)


def _worked_before(root: str) -> bool:
    try:
        return os.readlink(os.path.join(root, _MARK + SUFFIXES[current().kind])) == kernel_run()
    except OSError:
        return False


def _remember(root: str) -> None:
    mark = os.path.join(root, _MARK + SUFFIXES[current().kind])
    fresh = f"{mark}.{os.getpid()}"
    try:
        os.symlink(kernel_run(), fresh)
        os.replace(fresh, mark)
    except OSError:  # only a saving of time
        pass


def _try_mount(root: str) -> bool:
    from lamella.snapshot.erase import erase
    from lamella.snapshot.overlaymount import OverlayMounts

    base = os.path.join(os.path.abspath(root), f"probe.{os.getpid()}.{os.urandom(4).hex()}")
    mounts = OverlayMounts(base)
    try:
        for name in ("lower/fs", "key/fs", "key/work", "key/root"):
            os.makedirs(f"{base}/{name}")
        mounts.mount(f"{base}/key/root", ["lower/fs"], "key")
        with open(f"{base}/key/root/file", "wb"):
            pass
        works = os.path.exists(f"{base}/key/fs/file")
        if works:
            _remember(root)
        return works
    except OSError:
        return False
    finally:
        mounts.release(f"{base}/key")
        erase(base)
