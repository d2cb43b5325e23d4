"""The tools that are measured, each with a store of its own in the bench's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple, Protocol

from measure import Command

DEBIAN_DOCKER = "/usr/bin/docker"
CONFORMANCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "conformance")


class Unavailable(Exception):
    """The tool is not on this machine, or would not start; the message says which and why."""


class Builder(Protocol):
    """A tool that builds Dockerfiles."""

    @property
    def name(self) -> str: ...

    def load_base(self, rootfs: str, reference: str) -> None:
        """Makes ``reference`` from a tar of a root file system."""
        ...

    def build(self, context: str, tag: str, *, cache: bool) -> Command:
        """Builds ``context/Dockerfile`` and tags the result."""
        ...


class Lamella(NamedTuple):
    program: str
    root: str
    name: str = "lamella"

    def load_base(self, rootfs: str, reference: str) -> None:
        quiet([self.program, "import", rootfs, reference], self._env())

    def build(self, context: str, tag: str, *, cache: bool) -> Command:
        fresh = () if cache else ("--no-cache",)
        return Command((self.program, "build", "--network", "host", *fresh, "-t", tag, context), self._env())

    def _env(self) -> dict[str, str]:
        return {"LAMELLA_ROOT": self.root}


class Docker(NamedTuple):
    """Docker's client and a daemon of the bench's own, building with BuildKit."""

    program: str
    env: Mapping[str, str]
    name: str = "docker"

    def load_base(self, rootfs: str, reference: str) -> None:
        quiet([self.program, "import", rootfs, reference], self.env)

    def build(self, context: str, tag: str, *, cache: bool) -> Command:
        fresh = () if cache else ("--no-cache",)
        return Command((self.program, "build", "--network", "host", *fresh, "-t", tag, context), self.env)

    def version(self) -> str:
        """The daemon's."""
        ask = [self.program, "version", "--format={{.Server.Version}}"]
        env = {**os.environ, **self.env}
        return subprocess.run(ask, env=env, capture_output=True, text=True, check=True).stdout.strip()


def newer_docker(folder: str, opened: ExitStack) -> Docker:
    """Debian trixie's Docker, which knows heredocs; it goes with ``opened``. Raises Unavailable."""
    sys.path.insert(0, CONFORMANCE)
    from docker26 import Docker26, JudgeMissing

    try:
        daemon = opened.enter_context(Docker26(folder))
    except JudgeMissing as error:
        raise Unavailable(str(error)) from None
    return Docker(os.path.join(folder, "bin", "docker"), daemon.environment, "docker 26")


class Buildah(NamedTuple):
    """``layered`` is ``buildah bud --layers``, which caches; without it one layer is made and nothing is cached."""

    program: str
    folder: str
    layered: bool

    @property
    def name(self) -> str:
        return "buildah --layers" if self.layered else "buildah"

    def load_base(self, rootfs: str, reference: str) -> None:
        """Both flavours share one store: the second call finds the image there."""
        ask = [*self.argv(), "inspect", "--type", "image", reference]
        found = subprocess.run(ask, capture_output=True, check=False)
        if found.returncode == 0:
            return
        made = [*self.argv(), "from", "scratch"]
        container = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
        quiet([*self.argv(), "add", "--quiet", container, rootfs, "/"])
        quiet([*self.argv(), "commit", "--quiet", "--rm", container, reference])

    def build(self, context: str, tag: str, *, cache: bool) -> Command:
        flags = ["--pull=false", "--network", "host", "--layers" if self.layered else "--layers=false"]
        if not cache:
            flags.append("--no-cache")
        return Command((*self.argv(), "bud", *flags, "-t", tag, context))

    def argv(self) -> tuple[str, ...]:
        """The program, and where its store is."""
        run = os.path.join(self.folder, "run")
        return (
            self.program,
            "--root",
            os.path.join(self.folder, "root"),
            "--runroot",
            run,
            "--storage-driver",
            "overlay",
        )


class Dockerd:
    """Debian's dockerd with data, sockets and state under ``folder``, no bridge and no firewall rules."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = os.path.join(folder, "s.sock")

    def start(self) -> Docker:
        daemon = find_program("dockerd")
        client = DEBIAN_DOCKER if os.access(DEBIAN_DOCKER, os.X_OK) else find_program("docker")
        os.makedirs(self._folder)
        argv = [daemon, "--data-root", self._path("data"), "--exec-root", self._path("exec")]
        argv += ["-H", f"unix://{self.socket}", "--pidfile", self._path("pid")]
        argv += ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "overlay2"]
        with open(self._path("log"), "wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        docker = Docker(client, {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "1"})
        self._wait(docker)
        return docker

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def reset_peak(self) -> None:
        """Forgets the daemon's highest resident set so far (proc(5), clear_refs)."""
        if self._process is not None:
            with open(f"/proc/{self._process.pid}/clear_refs", "w", encoding="ascii") as control:
                control.write("5")

    def peak(self) -> int:
        """The daemon's highest resident set since ``reset_peak``, in bytes."""
        if self._process is None:
            return 0
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _wait(self, docker: Docker) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            ask, env = [docker.program, "version"], {**os.environ, **docker.env}
            asked = subprocess.run(ask, env=env, capture_output=True, check=False)
            if asked.returncode == 0:
                return
            time.sleep(0.2)
        self.stop()
        with open(self._path("log"), encoding="utf-8", errors="replace") as log:
            tail = "".join(log.readlines()[-5:])
        raise Unavailable(f"dockerd did not start:\n{tail}")


def find_program(name: str) -> str:
    """Looks in sbin too. Raises Unavailable."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


def find_lamella() -> str:
    """The one beside this interpreter, so that the checkout is what is measured."""
    path = os.path.join(os.path.dirname(sys.executable), "lamella")
    if not os.access(path, os.X_OK):
        raise Unavailable(f"there is no {path}")
    return path


def quiet(argv: list[str], env: Mapping[str, str] | None = None) -> None:
    """Runs to the end, shows the output only when it fails."""
    done = subprocess.run(argv, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
