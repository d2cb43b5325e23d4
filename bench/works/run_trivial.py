"""A container that does nothing: what starting one costs, and removing it. Then the same with a published port."""

from __future__ import annotations

from collections.abc import Iterator

from base import base_rootfs
from bench_room import Room
from measure import Case, Contender, Target
from runners import runners

#: Docker's daemon of the bench makes no bridges, and podman's would need a plugin: both are compared without a network
NONE = ("--network", "none")
#: what a container without root has; for lamella it is what all have
OWN = {"lamella": ("-p", "127.0.0.1::80"), "podman": ("--network", "slirp4netns", "-p", "127.0.0.1::80")}


def cases(room: Room) -> Iterator[Case]:
    tools = runners(room, base_rootfs(room.folder)[0])
    alone = tuple(Contender(tool.name, tool.run(room.base, "true", flags=NONE)) for tool in tools)
    targets = (Target("docker", 0.8), Target("podman", 0.8))
    yield Case("run-trivial", "run --rm of a container that does nothing, without a network", alone, targets)
    reached = tuple(
        Contender(tool.name, tool.run(room.base, "true", flags=OWN[tool.name])) for tool in tools if tool.name in OWN
    )
    yield Case("run-port", "the same with a network of its own and a published port", reached, (Target("podman", 0.8),))
