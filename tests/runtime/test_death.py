"""When the process that runs a container dies, so does the container: at once, and without anyone's help."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from polling import until

from lamella.runtime import find_runner

pytestmark = pytest.mark.containers

Start = Callable[..., "subprocess.Popen[str]"]

SCRIPT = """
import sys, threading
from lamella.runtime import find_runner
from lamella.runtime.protocol import Process, Sandbox
root, rootfs, mark, how = sys.argv[1:]
runner = find_runner(root)
command = f"setsid sleep {mark} & sleep {mark}"
def work():
    runner.run(Sandbox(rootfs, Process(("sh", "-c", command), ("PATH=/bin:/usr/bin",))), print)
if how == "thread":
    threading.Thread(target=work).start()
else:
    try:
        work()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        runner.close()
"""


def _processes_with(word: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _groups_of(owner: str) -> bytes:
    # Others make and remove groups meanwhile, which find complains about.
    command = ["find", "/sys/fs/cgroup", "-name", f"lamella-{owner}*"]
    return subprocess.run(command, capture_output=True, check=False).stdout


@pytest.fixture
def start(tmp_path: Path, alpine: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start(mark, how)``: a process that runs two sleeps of ``mark`` seconds in a container."""
    started = []

    def make(mark: str, how: str = "main") -> subprocess.Popen[str]:
        started.append(_start(tmp_path, alpine, mark, how))
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _start(tmp_path: Path, alpine: Path, mark: str, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), str(alpine), mark, how],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", ["main", "thread"])
def test_sigkill(tmp_path: Path, start: Start, how: str) -> None:
    mark = {"main": "577.21", "thread": "577.22"}[how]
    process = start(mark, how)
    until(lambda: len(_processes_with(f"sleep\x00{mark}")) == 2)
    owner = os.listdir(tmp_path / "run")[0]
    process.kill()
    process.communicate()
    until(lambda: not _processes_with(mark), 3)
    until(lambda: not _processes_with(f"lamella-{owner}"), 3)
    runner = find_runner(str(tmp_path / "run"))
    runner.recover()
    assert os.listdir(tmp_path / "run") == []
    assert _groups_of(owner) == b""
    runner.close()


def test_sigkill_while_it_starts(tmp_path: Path, start: Start) -> None:
    for delay in (0.0, 0.004, 0.008, 0.012, 0.016, 0.02, 0.025, 0.03, 0.045):
        mark = f"618.{int(delay * 1000):03d}"
        process = start(mark)
        until(lambda: (tmp_path / "run").exists() and any((tmp_path / "run").glob("*/1")))
        time.sleep(delay)
        process.kill()
        process.communicate()
        until(lambda mark=mark: not _processes_with(mark), 3)  # type: ignore[misc]
        owner = os.listdir(tmp_path / "run")[0]
        runner = find_runner(str(tmp_path / "run"))

        def nothing_left(runner: Any = runner) -> bool:
            runner.recover()  # leaves alone what a process still holds that is about to end
            return os.listdir(tmp_path / "run") == []

        until(nothing_left, 3)
        assert _groups_of(owner) == b""
        runner.close()


def test_ctrl_c(tmp_path: Path, start: Start) -> None:
    process = start("662.60")
    until(lambda: len(_processes_with("sleep\x00662.60")) == 2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert out == "interrupted\n"
    assert _processes_with("662.60") == []
    assert os.listdir(tmp_path / "run") == []


def test_the_living_are_left_alone(tmp_path: Path, start: Start) -> None:
    process = start("141.42")
    until(lambda: len(_processes_with("sleep\x00141.42")) == 2)
    runner = find_runner(str(tmp_path / "run"))
    runner.recover()
    assert len(_processes_with("sleep\x00141.42")) == 2
    process.kill()
    process.communicate()
    until(lambda: not _processes_with("141.42"), 3)
    runner.recover()
    assert os.listdir(tmp_path / "run") == []
    runner.close()
