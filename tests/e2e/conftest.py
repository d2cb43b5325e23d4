"""The command line as a user calls it: a process, a store of its own, bases from real root file systems."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from demo import EXAMPLES, REPOSITORY, Demo

from lamella.store.store import Store
from lamella.store.verify import verify

LAMELLA = (sys.executable, "-m", "lamella")


class Shell:
    """Runs ``lamella`` in a folder, with one store."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.store = store
        self.env = {
            name: value for name, value in os.environ.items() if not name.startswith(("LAMELLA_", "SOURCE_DATE"))
        }
        self.env["LAMELLA_ROOT"] = str(store)

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("cwd", self.folder)
        options.setdefault("env", self.env)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("timeout", 120)
        return subprocess.run(
            [*LAMELLA, *words], capture_output=True, text=True, errors="replace", check=False, **options
        )

    def ok(self, *words: str, **options: Any) -> str:
        """Its stdout; fails the test with its stderr unless it exits 0."""
        done = self.run(*words, **options)
        assert done.returncode == 0, f"lamella {' '.join(words)} → {done.returncode}\n{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words))

    def write(self, path: str, text: str | bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def verify(self) -> None:
        """Every digest of the store is recomputed."""
        with Store.open(str(self.store), create=False) as store:
            assert verify(store).problems == ()

    def mounts(self) -> list[str]:
        """Mount points below the store, as this machine sees them."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if f"{self.store}/" in line]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "project"
    folder.mkdir()
    return Shell(folder, tmp_path / "store")


@pytest.fixture
def alpine(shell: Shell, store_with: Callable[[str, Path], None]) -> Shell:
    """A shell whose store holds ``alpine:3.20``."""
    store_with("alpine:3.20", shell.store)
    return shell


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The store of the tests in the group ``examples``, with ``alpine:3.20``: on a disk, as most stores are."""
    with tempfile.TemporaryDirectory(prefix="lamella-examples-", dir=os.environ.get("LAMELLA_TEST_TMP")) as folder:
        made = Demo(Path(folder, "store"))
        made.bases("alpine:3.20")
        yield made


@pytest.fixture(scope="session")
def compiled() -> Path:
    """The Go example with its two programs."""
    folder = EXAMPLES / "go-scratch"
    done = subprocess.run([folder / "compile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def golang(demo: Demo, compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """With ``golang:local`` and ``golang:1-alpine``: the toolchain of the project's own environment, and the standard
    library as it was compiled for ``compiled`` (doing that again takes half a minute)."""
    toolchain = demo.run(Path(sys.executable).parent / "go", "env", "GOROOT").strip()
    demo.lamella("build", "-q", "-t", "golang:cold", "-f", compiled / "golang" / "Dockerfile", toolchain)
    warm = tmp_path_factory.mktemp("golang") / "Dockerfile"
    warm.write_text("FROM golang:cold\nCOPY . /root/.cache/go-build\n")
    cache = os.environ.get("GOCACHE", str(REPOSITORY / ".demo" / "go-build"))
    demo.lamella("build", "-q", "-t", "golang:local", "-t", "golang:1-alpine", "-f", warm, cache)
    return demo


@pytest.fixture(scope="session")
def unprivileged() -> Callable[[], None]:
    """For ``preexec_fn``: become nobody."""

    def become() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    return become
