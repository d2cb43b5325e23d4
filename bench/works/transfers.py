"""A Debian image of 164 MB in one layer: to a registry on loopback that has nothing of it, and from a registry into
stores that have nothing of it, unpacked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache, partial

from base import debian_rootfs
from bench_room import Room
from loopback_registry import Registry
from measure import Case, Contender, Target, measure
from movers import Mover, movers
from peers import Unavailable

#: bytes of lamella's largest resident set
MEMORY = 150_000_000
#: seconds between removing images and pulling them again: for a minute ext4 takes no inode that was freed, and looks at
#: all of these for each file that it makes, which can take longer than everything else
PAUSE = 62


def cases(room: Room) -> Iterator[Case]:
    try:
        tools = movers(room.folder, room.builders)
        source, target = Registry(f"{room.folder}/source"), Registry(f"{room.folder}/target")
    except Unavailable:
        return  # the bench's head names what is missing
    if not room.builders:
        return
    kept, pushed = f"{source.host}/debian:kept", f"{target.host}/debian:pushed"
    seeder = next((tool for tool in tools if tool.name == "docker"), tools[0])

    @cache
    def seed() -> str:
        """The image in the first registry, as Docker compresses it. Returns the root file system inside."""
        rootfs = debian_rootfs(room.folder)
        seeder.get(rootfs, kept, kept)
        measure(seeder.push(kept), f"{room.folder}/log")
        seeder.forget(kept)
        return rootfs

    have: set[str] = set()

    def before_push(tool: Mover) -> None:
        if tool.name not in have:
            tool.get(seed(), pushed, kept)
            have.add(tool.name)
        target.empty()

    def before_pull(tool: Mover) -> None:
        if tool is not tools[0]:
            return
        seed()
        for each in tools:
            each.forget(kept, pushed)
        os.sync()
        time.sleep(PAUSE)

    with source, target:
        push = tuple(Contender(tool.name, tool.push(pushed), partial(before_push, tool)) for tool in tools)
        title = "push of a Debian image (164 MB) to an empty registry"
        yield Case("push", title, push, (Target("docker", 0.3),), MEMORY)
        pull = tuple(Contender(tool.name, tool.pull(kept), partial(before_pull, tool)) for tool in tools)
        yield Case("pull", "pull of the same into an empty store, and unpack", pull, (Target("docker", 0.6),), MEMORY)
