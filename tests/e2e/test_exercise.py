"""docs/exercise.md, command by command as it stands there, and what may not be left afterwards.

The commands run in a network of the test's own, so that port 8008 is free whatever else goes on here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lamella.runtime.listen import Listeners
from lamella.runtime.netns import ContainerNetwork

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGES = [REPOSITORY / "docs" / name for name in ("exercise.md", "exercise.ko.md")]

pytestmark = [pytest.mark.containers, pytest.mark.xdist_group("examples")]


class Command(NamedTuple):
    """One line behind a ``$``, and what the page says that it prints."""

    line: str
    printed: list[str]


def commands(page: Path) -> list[Command]:
    found: list[Command] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:], []))
            else:
                found[-1].printed.append(line)
    return found


def shape(lines: list[str]) -> list[str]:
    """Without what is another each time: digests, times, how long ago it was."""
    text = "\n".join(lines)
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", text)
    text = re.sub(r"(\d+|about a|about an) (second|minute)s? ago|less than a second ago", "AGO", text, flags=re.I)
    text = re.sub(r"Up (\d+ seconds?|less than a second)", "Up AGE", text, flags=re.I)
    text = re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|\b\d+\.\d+s\b", "TIME", text)
    # A newer compiler makes it another size.
    text = re.sub(r"\b\d+(\.\d+)? ?MB\b", "SIZE", text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture
def checkout(compiled: Path, tmp_path: Path) -> Path:
    """A folder like the repository's with the example alone. What is compiled already is not compiled again."""
    folder = tmp_path / "checkout"
    shutil.copytree(compiled, folder / "examples/go-scratch")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/go").symlink_to(Path(sys.executable).parent / "go")
    return folder


@pytest.fixture
def network() -> Iterator[ContainerNetwork]:
    with ContainerNetwork(Listeners()) as made:
        yield made


def left(store: Path, network: ContainerNetwork) -> dict[str, list[str]]:
    """What belongs to a container of the store or listens in the network."""
    found: dict[str, list[str]] = {"processes": [], "mounts": [], "namespaces": [], "ports": []}
    own = os.stat("/proc/self/ns/net").st_ino, os.fstat(network.namespace).st_ino
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            mounts = (folder / "mountinfo").read_text(errors="replace")
            entered = {os.stat(thread).st_ino for thread in folder.glob("task/*/ns/net")}
        except OSError:
            continue
        if folder.name != str(os.getpid()) and (str(store).encode() in environment or f"{store}/" in mounts):
            found["processes"].append(folder.name)
            found["mounts"] += [line for line in mounts.splitlines() if f"{store}/" in line]
            found["namespaces"] += [str(namespace) for namespace in entered if namespace not in own]
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = inside(network, f"cat /proc/net/{table}").stdout.splitlines()[1:]
        found["ports"] += [line for line in lines if line.split()[3] in ("0A", "07")]
    return {what: names for what, names in found.items() if names}


def inside(network: ContainerNetwork, line: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["nsenter", f"--net={network.path}", "bash", "-c", line],
        pass_fds=[network.namespace],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.peer
def test_the_page_is_what_happens(checkout: Path, tmp_path: Path, network: ContainerNetwork, require: object) -> None:
    for program in ("runc", "curl", "nsenter"):
        require(program)  # type: ignore[operator]
    store, folder = tmp_path / "store", checkout
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(tmp_path), "LAMELLA_ROOT": str(store)}
    try:
        for command in commands(PAGES[0]):
            if command.line.startswith("cd "):
                folder = folder / command.line[3:]
                continue
            done = inside(network, command.line, cwd=folder, env=env)
            assert shape(done.stdout.splitlines()) == shape(command.printed), command.line
            if command.line.startswith("curl"):
                assert left(store, network).keys() == {"processes", "mounts", "namespaces", "ports"}
            assert done.returncode == (3 if command.printed[0].startswith("error:") else 0), command.line
    finally:
        inside(network, "lamella rm -f $(lamella ps -aq)", cwd=folder, env=env)
    assert left(store, network) == {}
    # In its own folder, a program with the image's name is not taken for a Dockerfile.
    assert "1 layer" in inside(network, "lamella explain helloworld", cwd=folder, env=env).stdout
    typo = inside(network, "lamella run -d p 8008:8080 --name go-helloworld helloworld", cwd=folder, env=env)
    assert typo.stdout == "error: p is taken for the image's name: its dash is missing\n  hint: write -p 8008:8080\n"


def test_both_languages_show_the_same() -> None:
    english, korean = map(commands, PAGES)
    assert english == korean
    lesson = [command.line for command in english]
    for line in (
        "lamella build -t helloworld .",
        "lamella run -d -p 8008:8080 --name go-helloworld helloworld",
        "lamella image ls",
    ):
        assert line in lesson
