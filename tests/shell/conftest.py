"""Runs RUN bodies in real shells: each in a process of its own, or one joined body."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "GIVEN": "from the image", "EMPTY": ""}


class Outcome(NamedTuple):
    """``status`` is that of the first body that fails, ``tree`` what lies in the folder: path → kind, mode, content."""

    status: int
    tree: dict[str, tuple[str, int, str]]


def _execute(argv: Sequence[str], folder: Path) -> int:
    """As a RUN does: nothing on stdin, and whatever is left running ends with it."""
    environment = {**ENVIRONMENT, "HOME": str(folder), "PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin"}
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        umask=0o022,
    )
    try:
        return process.wait(timeout=20)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _read_tree(folder: Path) -> dict[str, tuple[str, int, str]]:
    tree = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes().decode("utf-8", "backslashreplace")
        tree[str(path.relative_to(folder))] = (
            stat.filemode(status.st_mode)[0],
            stat.S_IMODE(status.st_mode),
            content,
        )
    return tree


@pytest.fixture(scope="session")
def run_bodies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str], Sequence[str]], Outcome]:
    """``run_bodies(shell, bodies)`` executes each body in a shell of its own, in one folder, until one fails.

    The folder has the same path each time and is empty at first, so that two outcomes can be compared.
    """
    folder = tmp_path_factory.mktemp("bodies") / "root"

    def run(shell: Sequence[str], bodies: Sequence[str]) -> Outcome:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        status = 0
        for body in bodies:
            status = _execute([*shell, body], folder)
            if status:
                break
        return Outcome(status, _read_tree(folder))

    return run


REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def posix_shells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """What /bin/sh may be, as far as found here: Debian's dash, BusyBox's ash (Debian's and Alpine's), bash as sh."""
    found = {
        "dash": ("dash", "-c"),
        "busybox": ("busybox", "sh", "-c"),
        "bash as sh": ("bash", "--posix", "-c"),
    }
    shells = {name: argv for name, argv in found.items() if shutil.which(argv[0])}
    return shells | _alpine(tmp_path_factory.mktemp("alpine"))


def _alpine(folder: Path) -> dict[str, tuple[str, ...]]:
    """Alpine's own shell, run by its own loader, where its root file system is at hand."""
    bases = Path(os.environ.get("LAMELLA_TEST_BASES") or REPOSITORY.parent / "shared" / "bases")
    archive = bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz"
    if not archive.is_file():
        return {}
    found = []
    with tarfile.open(archive) as tar:
        for name in ("./lib/ld-musl-x86_64.so.1", "./bin/busybox"):
            member = tar.extractfile(name)
            assert member is not None
            path = folder / Path(name).name
            path.write_bytes(member.read())
            path.chmod(0o755)
            found.append(str(path))
    return {"alpine": (*found, "sh", "-c")}
