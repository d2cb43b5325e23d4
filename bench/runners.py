"""The tools that run containers: those that build, and podman, each on the store that it builds in."""

from __future__ import annotations

import os
import resource
from typing import NamedTuple, Protocol

from bench_room import Room
from measure import Command
from peers import Docker, Lamella, Unavailable, find_program, quiet


class Runner(Protocol):
    @property
    def name(self) -> str: ...

    def run(self, image: str, *words: str, flags: tuple[str, ...] = ()) -> Command:
        """One container from its start to its removal."""
        ...


class Direct(NamedTuple):
    """Lamella's command line and Docker's, which are alike."""

    builder: Lamella | Docker

    @property
    def name(self) -> str:
        return self.builder.name

    def run(self, image: str, *words: str, flags: tuple[str, ...] = ()) -> Command:
        env = {"LAMELLA_ROOT": self.builder.root} if isinstance(self.builder, Lamella) else self.builder.env
        return Command((self.builder.program, "run", "--rm", *flags, image, *words), env)


class Podman(NamedTuple):
    """With runc, which control groups of both versions need, and limits that a machine without CAP_SYS_RESOURCE
    grants."""

    program: str
    folder: str
    name: str = "podman"

    def load_base(self, rootfs: str, reference: str) -> None:
        quiet([*self._argv(), "import", "--quiet", rootfs, f"localhost/{reference}"])

    def run(self, image: str, *words: str, flags: tuple[str, ...] = ()) -> Command:
        files = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        limits = ("--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=1024:1024")
        return Command((*self._argv(), "run", "--rm", *limits, *flags, f"localhost/{image}", *words))

    def _argv(self) -> tuple[str, ...]:
        places = ("--root", os.path.join(self.folder, "root"), "--runroot", os.path.join(self.folder, "run"))
        return (
            self.program,
            *places,
            "--storage-driver",
            "overlay",
            "--cgroup-manager",
            "cgroupfs",
            "--runtime",
            "runc",
        )


def runners(room: Room, rootfs: str) -> list[Runner]:
    """Those that are there; ``rootfs`` is what ``room.base`` was made of."""
    found: list[Runner] = [Direct(builder) for builder in room.builders if isinstance(builder, Lamella | Docker)]
    try:
        podman = Podman(find_program("podman"), os.path.join(room.folder, "podman"))
    except Unavailable:
        return found  # the bench's head names what is missing
    podman.load_base(rootfs, room.base)
    return [*found, podman]
