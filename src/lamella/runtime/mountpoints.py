"""A sandbox's mounts as the runtime makes them: in order, on mount points that exist."""

from __future__ import annotations

import os
import posixpath

from lamella.errors import InputError
from lamella.runtime.leash import MemoryFile
from lamella.runtime.protocol import BindMount, FileMount, Mount, Sandbox, TmpfsMount
from lamella.runtime.spec import BASE_TARGETS
from lamella.runtime.stubs import Stubs


def place_mounts(
    sandbox: Sandbox, stubs: Stubs, bundle: str, own: str
) -> tuple[tuple[BindMount | TmpfsMount, ...], list[MemoryFile]]:
    """The sandbox's mounts and those of the network files in ``own``, parents first; and the files that must be in the
    folder ``bundle``, which some of them are of."""
    network: tuple[Mount, ...] = (
        BindMount("/etc/resolv.conf", f"{own}/resolv.conf", readonly=True),
        BindMount("/etc/hosts", f"{own}/hosts", readonly=True),
    )
    asked = sorted(sandbox.mounts, key=lambda mount: mount.target)
    taken = {mount.target for mount in asked}
    points = {target: stubs.ensure(target, directory=True) for target in BASE_TARGETS}
    placed: list[BindMount | TmpfsMount] = []
    files: list[MemoryFile] = []
    for mount in [*(mount for mount in network if mount.target not in taken), *asked]:
        target = posixpath.normpath(mount.target)
        points[target] = _point(sandbox.rootfs, target, mount, points, stubs)
        if isinstance(mount, FileMount):
            file = MemoryFile(str(len(files)), mount.content, mount.mode, mount.uid, mount.gid)
            files.append(file)
            noexec = () if mount.mode & 0o111 else ("noexec",)
            placed.append(BindMount(points[target], f"{bundle}/{file.name}", True, ("nosuid", "nodev", *noexec)))
        else:
            placed.append(mount._replace(target=points[target]))
    return tuple(placed), files


def _point(rootfs: str, target: str, mount: Mount, points: dict[str, str], stubs: Stubs) -> str:
    """Where ``target`` is, without symlinks, made where it is missing. Inside of another mount the runtime makes it.
    Raises InputError where a file lies in a folder's place, or the other way round."""
    around = max((point for point in points if target.startswith(f"{point}/")), key=len, default=None)
    if around is not None:
        return points[around] + target[len(around) :]
    is_folder = isinstance(mount, TmpfsMount) or (isinstance(mount, BindMount) and os.path.isdir(mount.source))
    mode = 0o1777 if isinstance(mount, TmpfsMount) else 0o755  # a tmpfs gets the mode of what it covers
    point = stubs.ensure(target, is_folder, mode)
    if os.path.isdir(rootfs + point) is not is_folder:
        what, there = ("a folder", "a file") if is_folder else ("a file", "a folder")
        raise InputError(
            f"{what} cannot be mounted on {target}, where the image has {there}", hint="choose another target"
        )
    return point
