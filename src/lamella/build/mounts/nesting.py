"""Mounts inside of mounts."""

from __future__ import annotations

import os
import posixpath

from lamella.build.mounts.surroundings import Files, Wanted
from lamella.build.sources import follow
from lamella.errors import DockerfileError, LamellaError
from lamella.runtime.protocol import BindMount, Mount


def check_mount_points(mounted: list[tuple[Wanted, Mount]], where: str) -> None:
    """A mount inside of a read-only one needs its mount point there: nobody may make it. Some runtimes make it before
    they take the right to write away, and that would be in the user's own folder. Raises DockerfileError."""
    for inner, _ in mounted:
        target = inner.step.target
        around = [one for one in mounted if target.startswith(f"{one[0].step.target}/")]
        if not around:
            continue
        outer, mount = max(around, key=lambda one: len(one[0].step.target))
        inside = posixpath.relpath(target, outer.step.target)
        if outer.step.readonly and not _is_there(outer, mount, inside):
            raise DockerfileError(
                f"{target} is not there in the read-only mount on {outer.step.target}, so nothing can be mounted on it",
                where=where,
                hint=f"make {inside!r} in what is mounted, or add rw to the mount on {outer.step.target}",
            )


def _is_there(outer: Wanted, mount: Mount, inside: str) -> bool:
    if outer.step.type == "bind" and outer.files is not None:
        return _is_in(outer.files, inside)
    return isinstance(mount, BindMount) and os.path.lexists(f"{mount.source}/{inside}")


def _is_in(files: Files, inside: str) -> bool:
    source, found = files
    try:
        return source.lookup(follow(source.lookup, posixpath.join(found.path, inside))) is not None
    except LamellaError:
        return False
