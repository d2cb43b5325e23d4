"""All mounts of one RUN: what they read, and from the first to the last what the sandbox gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lamella.build.mounts.surroundings import Ready, Surroundings, Wanted
from lamella.build.work import Work
from lamella.plan.step import RunStep

if TYPE_CHECKING:
    from lamella.runtime.protocol import Mount


class Opened(NamedTuple):
    """``env`` comes on top of what the process has anyway."""

    mounts: tuple[Mount, ...]
    env: tuple[str, ...]


def find_mounts(work: Work, step: RunStep) -> tuple[Wanted, ...]:
    """Looks up what the mounts read; waits for the stages. Raises ContextError for a source that is not there."""
    wanted = []
    for mount in step.mounts:
        files = None
        if mount.source is not None:
            from lamella.build.mounts.bind import find_files

            files = find_files(work, mount, step.info.where)
        wanted.append(Wanted(mount, files))
    return tuple(wanted)


def contents_key_of(wanted: tuple[Wanted, ...]) -> str:
    """The digests of all that is read; "" where nothing is. (A step that is cached needs no more of this room, so the
    rest is imported when it is not.)"""
    read = [one.files for one in wanted if one.files is not None]
    if not read:
        return ""
    from lamella.build.cache import join_contents
    from lamella.build.mounts.bind import contents_of

    return join_contents(map(contents_of, read))


def open_mounts(wanted: tuple[Wanted, ...], around: Surroundings) -> Opened:
    """Makes ready what the step's mounts need until ``around.open`` is closed. Raises LamellaError of many kinds."""
    from lamella.build.mounts.bind import open_bind
    from lamella.build.mounts.cache import Caches
    from lamella.build.mounts.nesting import check_mount_points
    from lamella.build.mounts.secret import open_secret
    from lamella.build.mounts.ssh import VARIABLE, open_ssh
    from lamella.build.mounts.tmpfs import open_tmpfs

    by_type: dict[str, Callable[[Wanted, Surroundings], Ready]] = {
        "bind": open_bind,
        "cache": Caches().open,
        "tmpfs": open_tmpfs,
        "secret": open_secret,
        "ssh": open_ssh,
    }
    ready = {number: by_type[one.step.type](one, around) for number, one in sorted(enumerate(wanted), key=_turn)}
    made = [(one, ready[number]) for number, one in enumerate(wanted)]
    mounted = [(one, result.mount) for one, result in made if result.mount is not None]
    check_mount_points(mounted, around.where)
    env = [variable for _, result in made for variable in result.env]
    sockets = [mount.target for mount in around.step.mounts if mount.type == "ssh"]
    given = {variable.partition("=")[0] for variable in around.step.env}
    if sockets and VARIABLE not in given:
        env.append(f"{VARIABLE}={sockets[0]}")
    return Opened(tuple(mount for _, mount in mounted), tuple(env))


def _turn(numbered: tuple[int, Wanted]) -> tuple[object, ...]:
    """First what can fail for want of something that was not given: it holds up nobody. Then caches, everywhere in the
    same order: two steps that each wait for a cache that the other has locked would wait forever."""
    step = numbered[1].step
    types = ("secret", "ssh", "cache", "tmpfs", "bind")
    return types.index(step.type), step.id, step.mode or 0, step.uid, step.gid, step.source_path
