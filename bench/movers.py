"""The tools that bring images to a registry and from it, each with a store of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple, Protocol

from measure import Command
from peers import Buildah, Builder, Docker, Lamella, find_program, quiet


class Mover(Protocol):
    """References are ``127.0.0.1:PORT/NAME:TAG``; registries there speak plain HTTP."""

    @property
    def name(self) -> str: ...

    def get(self, rootfs: str, reference: str, source: str) -> None:
        """Has the image under the name ``reference``: made of a tar of a root file system, or copied from ``source``,
        the same image in a registry."""
        ...

    def forget(self, *references: str) -> None:
        """Has none of these images any more, and nothing of them."""
        ...

    def push(self, reference: str) -> Command: ...

    def pull(self, reference: str) -> Command: ...


class LamellaMover(NamedTuple):
    """``pull`` unpacks, as the command does by itself."""

    builder: Lamella
    root: str
    name: str = "lamella"

    def get(self, rootfs: str, reference: str, source: str) -> None:
        quiet([self.builder.program, "import", rootfs, reference], self._env())

    def forget(self, *references: str) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def push(self, reference: str) -> Command:
        return Command((self.builder.program, "push", reference), self._env())

    def pull(self, reference: str) -> Command:
        return Command((self.builder.program, "pull", reference), self._env())

    def _env(self) -> dict[str, str]:
        return {"LAMELLA_ROOT": self.root}


class DockerMover(NamedTuple):
    """``pull`` unpacks. What the daemon compressed for a push it does not keep."""

    builder: Docker

    @property
    def name(self) -> str:
        return self.builder.name

    def get(self, rootfs: str, reference: str, source: str) -> None:
        self.builder.load_base(rootfs, reference)

    def forget(self, *references: str) -> None:
        remove([self.builder.program, "rmi", "--force"], references, self.builder.env)

    def push(self, reference: str) -> Command:
        return Command((self.builder.program, "push", reference), self.builder.env)

    def pull(self, reference: str) -> Command:
        return Command((self.builder.program, "pull", reference), self.builder.env)


class BuildahMover(NamedTuple):
    """``pull`` unpacks."""

    builder: Buildah
    name: str = "buildah"

    def get(self, rootfs: str, reference: str, source: str) -> None:
        self.builder.load_base(rootfs, reference)

    def forget(self, *references: str) -> None:
        remove([*self.builder.argv(), "rmi", "--force"], references)

    def push(self, reference: str) -> Command:
        return Command((*self.builder.argv(), "push", "--tls-verify=false", reference, f"docker://{reference}"))

    def pull(self, reference: str) -> Command:
        return Command((*self.builder.argv(), "pull", "--tls-verify=false", f"docker://{reference}"))


class Skopeo(NamedTuple):
    """From and to an OCI layout: nothing is compressed for a push, and nothing unpacked by a pull."""

    program: str
    folder: str
    name: str = "skopeo, packed"

    def get(self, rootfs: str, reference: str, source: str) -> None:
        quiet([self.program, "copy", "--src-tls-verify=false", f"docker://{source}", self._layout()])

    def forget(self, *references: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def push(self, reference: str) -> Command:
        return Command((self.program, "copy", "--dest-tls-verify=false", self._layout(), f"docker://{reference}"))

    def pull(self, reference: str) -> Command:
        return Command((self.program, "copy", "--src-tls-verify=false", f"docker://{reference}", self._layout()))

    def _layout(self) -> str:
        return f"oci:{self.folder}:image"


def movers(folder: str, builders: tuple[Builder, ...]) -> list[Mover]:
    """Those of the tools that are measured, and skopeo."""
    found: list[Mover] = []
    for builder in builders:
        match builder:
            case Lamella():
                found.append(LamellaMover(builder, os.path.join(folder, "lamella-transfers")))
            case Docker():
                found.append(DockerMover(builder))
            case Buildah(layered=False):
                found.append(BuildahMover(builder))
    return [*found, Skopeo(find_program("skopeo"), os.path.join(folder, "skopeo"))]


def remove(command: list[str], references: tuple[str, ...], env: object = None) -> None:
    """Those that are there."""
    for reference in references:
        subprocess.run([*command, reference], env={**os.environ, **(env or {})}, capture_output=True, check=False)  # type: ignore[dict-item]
