"""Containers as a user starts them: the command line, one store for a worker, and what must not be left of them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from polling import until

from lamella.cli.main import main
from lamella.container.table import Table

IMAGE = "alpine:3.20"
#: commands that start nothing
_HERE = ("ps", "rm", "stop", "kill", "logs", "wait", "inspect", "rmi", "tag", "image")

_KTHREADD = 2  # the parent of the kernel's threads


class Containers:
    """Runs ``lamella`` on one store, whose only image is Alpine."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("LAMELLA_")}
        self.env["LAMELLA_ROOT"] = str(store)
        self.groups: set[str] = set()
        self._started: list[subprocess.Popen[str]] = []

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("env", self.env)
        process = subprocess.Popen([sys.executable, "-m", "lamella", *words], text=True, errors="replace", **options)
        self._started.append(process)
        return process

    def end_processes(self) -> None:
        """Those of ``popen`` that a test which failed has left: it is no business of the tests after it."""
        for process in self._started:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self._started.clear()

    def call(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        enters = os.geteuid() != 0 and words[0] in ("rmi", "image")  # a namespace, and we with it
        if words[0] in _HERE and not options and not enters:
            return self._call_here(list(words))
        options.setdefault("env", self.env)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        command = [sys.executable, "-m", "lamella", *words]
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=60, **options
        )

    def _call_here(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """In this process, which saves the start of another one."""
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "replace", write_through=True) for _ in range(2)]
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            code = main(["--root", str(self.store), *words])
        out, err = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in streams)  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(words, code, out, err)

    def ok(self, *words: str, **options: Any) -> str:
        done = self.call(*words, **options)
        assert done.returncode == 0, f"lamella {' '.join(words)} → {done.returncode}\n{done.stderr}"
        return done.stdout

    def run(self, *words: str, image: str = IMAGE, flags: tuple[str, ...] = (), **options: Any) -> Any:
        """``run --rm --network none FLAGS IMAGE WORDS``."""
        return self.call("run", "--rm", "--network", "none", *flags, image, *words, **options)

    def start(self, name: str, *words: str, flags: tuple[str, ...] = (), image: str = IMAGE) -> str:
        """``run -d``; returns the ID."""
        return self.ok("run", "-d", "--name", name, "--network", "none", *flags, image, *words).strip()

    def ps(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ok("ps", "-a", "--format", "json", *words))["containers"]
        return found

    def one(self, name: str) -> dict[str, Any]:
        return next(one for one in self.ps() if one["name"] == name)

    def state(self, id_: str) -> dict[str, Any]:
        """What the monitor wrote. Remembers the container's control group."""
        found: dict[str, Any] = json.loads((self.store / "lamella/containers" / id_ / "state.json").read_text())
        if found["name"]:
            self.groups.add(found["name"])
        return found

    def until(self, condition: Callable[[], Any], seconds: float = 10) -> Any:
        return until(condition, seconds)

    def remove_all(self) -> None:
        """``rm --force`` of each; one that was started with ``--rm`` may remove itself meanwhile."""
        for folder in Table(str(self.store)).folders():
            with contextlib.suppress(FileNotFoundError):
                self.state(folder.id)
            done = self.call("rm", "-f", folder.id)
            assert done.returncode == 0 or "there is no container" in done.stderr, done.stderr

    # what must not be left

    def processes(self) -> list[str]:
        """Those whose mounts or environment name the store: monitors, runtimes, and what runs in containers. One that
        is about to end has no command line any more, as threads of the kernel have none, and may still hold a lock."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            if int(folder.name) == os.getpid():
                continue
            try:
                mounts = (folder / "mountinfo").read_text(errors="replace")
                environment = (folder / "environ").read_bytes()
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if (line or parent not in (0, _KTHREADD)) and (
                str(self.store) in mounts or str(self.store).encode() in environment
            ):
                found.append(f"{folder.name} {line}")
        return found

    def traces(self) -> dict[str, list[str]]:
        """Everything on this machine that belongs to a container of this store."""
        own = self.store / "lamella"
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.store) in line]
        workspaces = [path.name for path in (own / "snapshots").glob("overlay*/s/*") if (path / "root").exists()]
        folders = {
            "containers": [path.name for path in (own / "containers").glob("*") if path.name not in ("names", "lock")],
            "names": os.listdir(own / "containers/names") if (own / "containers/names").exists() else [],
            "runtimes": os.listdir(own / "run") if (own / "run").exists() else [],
            "volumes": [path.name for path in (own / "volumes").glob("*") if len(path.name) == 64],
            "workspaces": workspaces,
            "owners": [path.name for path in (own / "snapshots").glob("overlay*/owners/*")],
            "leases": os.listdir(own / "leases"),
            "temporary": os.listdir(own / "tmp"),
        }
        # Others make and remove groups meanwhile, which os.walk passes over.
        every = [(folder, names) for folder, names, _ in os.walk("/sys/fs/cgroup")]
        groups = [f"{folder}/{name}" for folder, names in every for name in names if name in self.groups]
        found = {**folders, "processes": self.processes(), "mounts": mounts, "groups": groups}
        return {what: names for what, names in found.items() if names}

    def clean(self) -> None:
        """Fails the test where anything is left of any container."""
        end = time.monotonic() + 5
        while self.traces() and time.monotonic() < end:  # what was killed takes its time to be gone
            time.sleep(0.02)
        assert self.traces() == {}


@pytest.fixture(scope="session")
def container_store(bases: Path, tmp_path_factory: pytest.TempPathFactory, require: Callable[[str], str]) -> Containers:
    require("runc")
    made = Containers(tmp_path_factory.mktemp("containers") / "store")
    made.ok("import", str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"), IMAGE)
    made.run("true")  # unpacks it
    return made


@pytest.fixture
def containers(container_store: Containers) -> Iterator[Containers]:
    """Every container that a test leaves is removed after it, and then nothing may be left."""
    container_store.groups.clear()
    yield container_store
    container_store.end_processes()
    container_store.remove_all()
    container_store.clean()
