"""A sandbox's mounts as the runtime makes them: in order, on mount points that exist."""

from __future__ import annotations

import os
import posixpath

from lamella.errors import InputError
from lamella.runtime.leash import MemoryFile
from lamella.runtime.network import hosts
from lamella.runtime.protocol import BindMount, FileMount, Mount, Sandbox, TmpfsMount
from lamella.runtime.spec import BASE_TARGETS
from lamella.runtime.stubs import Stubs


def place_mounts(
    sandbox: Sandbox, stubs: Stubs, bundle: str, own: str
) -> tuple[tuple[BindMount | TmpfsMount, ...], list[MemoryFile]]:
    """The sandbox's mounts and those of the network's files (one lies in ``own``), parents first; and the files that
    must be in the folder ``bundle``, which some of them are of. Raises InputError where a file lies in a folder's
    place, or the other way round."""
    network: tuple[Mount, ...] = (
        BindMount("/etc/resolv.conf", f"{own}/resolv.conf", readonly=True),
        FileMount("/etc/hosts", hosts(sandbox.hostname), 0o644),
    )
    asked = sorted(sandbox.mounts, key=lambda mount: mount.target)
    taken = {mount.target for mount in asked}
    points = _Points(sandbox.rootfs, stubs)
    placed: list[BindMount | TmpfsMount] = []
    files: list[MemoryFile] = []
    for mount in [*(mount for mount in network if mount.target not in taken), *asked]:
        target = posixpath.normpath(mount.target)
        if isinstance(mount, FileMount):
            name = str(len(files))
            inside = f"{name}/{posixpath.basename(target)}" if mount.alone else name
            files.append(MemoryFile(inside, mount.content, mount.mode, mount.uid, mount.gid))
            point = points.find(posixpath.dirname(target) if mount.alone else target, is_folder=mount.alone)
            noexec = () if mount.mode & 0o111 else ("noexec",)
            placed.append(BindMount(point, f"{bundle}/{name}", True, ("nosuid", "nodev", *noexec)))
        elif isinstance(mount, TmpfsMount):  # it gets the mode of what it covers
            placed.append(mount._replace(target=points.find(target, is_folder=True, mode=0o1777)))
        else:
            placed.append(mount._replace(target=points.find(target, is_folder=os.path.isdir(mount.source))))
    return tuple(placed), files


class _Points:
    """The mount points so far, as asked for → as they are without symlinks."""

    def __init__(self, rootfs: str, stubs: Stubs) -> None:
        self._rootfs = rootfs
        self._stubs = stubs
        self._known = {target: stubs.ensure(target, directory=True) for target in BASE_TARGETS}

    def find(self, target: str, *, is_folder: bool, mode: int = 0o755) -> str:
        """Makes it where it is missing. Inside of another mount the runtime makes it."""
        around = max((point for point in self._known if target.startswith(f"{point}/")), key=len, default=None)
        if around is not None:
            point = self._known[around] + target[len(around) :]
        else:
            point = self._stubs.ensure(target, is_folder, mode)
            if os.path.isdir(self._rootfs + point) is not is_folder:
                what, there = ("a folder", "a file") if is_folder else ("a file", "a folder")
                raise InputError(
                    f"{what} cannot be mounted on {target}, where the image has {there}", hint="choose another target"
                )
        self._known[target] = point
        return point
