"""Several processes on one store, and processes that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lamella.snapshot import open_snapshotter
from lamella.snapshot.select import SUFFIXES
from lamella.snapshot.table import SnapshotTable
from lamella.userns import current

SUFFIX = SUFFIXES[current().kind]
pytestmark = pytest.mark.containers

WORKER = """
import io, os, sys
from lamella.snapshot import enter_private_mounts, open_snapshotter
store, backend, private, turns = sys.argv[1:]
if private == "private":
    assert enter_private_mounts()
s = open_snapshotter(store, backend)
s.recover()
print("ready", flush=True)
parent = None
for number in range(int(turns)):
    chain = f"sha256:{number:064x}"
    found = s.find(chain)
    if found is None:
        if number % 3 == 2:
            w = s.prepare(parent)
            open(f"{w.root}/unwanted", "w").close()
            w.discard()
        w = s.prepare(parent)
        for name in range(20):
            with open(f"{w.root}/{number}-{name}", "w") as f:
                f.write("x" * 1000)
        list(w.changes())
        found = w.commit()
        s.bind(found, chain)
        found = s.find(chain)
    with s.view(found) as root:
        os.listdir(root)
    parent = found
print("done", flush=True)
if private == "hold":
    w = s.prepare(parent)
    print(w.root, flush=True)
    sys.stdin.read()
"""


def _start(store: str, backend: str, private: str = "private", turns: int = 30) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, store, backend, private, str(turns)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _mounts_below(path: str) -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if f" {path}/" in line]


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def test_killed_at_any_moment(backend: str, store: str) -> None:
    chance = random.Random(1)
    for _ in range(8):
        process = _start(store, backend)
        assert _line(process) == "ready"
        time.sleep(chance.uniform(0, 0.06))
        os.kill(process.pid, signal.SIGKILL)
        _end(process)
        assert _mounts_below(store) == []
    snapshotter: Any = open_snapshotter(store, backend)
    snapshotter.recover()
    folder = f"{store}/{backend}{SUFFIX}"
    bound = {os.readlink(f"{folder}/chains/{name}") for name in os.listdir(f"{folder}/chains")}
    assert bound, "the worker was killed before it did anything, eight times"
    assert set(os.listdir(f"{folder}/s")) == bound
    assert len(os.listdir(f"{folder}/owners")) == 1
    for number in range(len(bound)):
        snapshot = snapshotter.find(f"sha256:{number:064x}")
        assert snapshot is not None
        with snapshotter.view(snapshot) as root:
            assert len(os.listdir(root)) == 20 * (number + 1)
    snapshotter.close()


def test_killed_while_mounted_for_all_to_see(store: str) -> None:
    """Without a namespace of its own the mount stays; the next start takes it away."""
    process = _start(store, "overlay", private="hold", turns=1)
    assert _line(process) == "ready"
    assert _line(process) == "done"
    root = _line(process)
    assert len(_mounts_below(store)) == 1
    snapshotter: Any = open_snapshotter(store, "overlay")
    snapshotter.recover()
    assert os.path.isdir(root), "the owner lives"
    _end(process)
    assert len(_mounts_below(store)) == 1
    snapshotter.recover()
    assert _mounts_below(store) == []
    assert not os.path.exists(root)
    snapshotter.close()


def test_private_mounts_are_not_seen_outside(store: str) -> None:
    script = (
        "import os, sys\n"
        "from lamella.snapshot import enter_private_mounts, mounts_are_private, open_snapshotter\n"
        "assert not mounts_are_private()\n"
        "assert enter_private_mounts() and enter_private_mounts() and mounts_are_private()\n"
        f"s = open_snapshotter({store!r}, 'overlay')\n"
        "w = s.prepare(s.prepare(None).commit())\n"
        "assert os.path.ismount(w.root)\n"
        "os.system(f'mountpoint -q {w.root} || echo children do not see it')\n"
        "print(w.root, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    root = _line(process)
    assert root.startswith(store)
    assert os.path.isdir(root)
    assert not os.path.ismount(root)
    _end(process)


def test_private_mounts_refuse_when_threads_run(store: str) -> None:
    script = (
        "import threading\n"
        "from lamella.snapshot import enter_private_mounts\n"
        "stop = threading.Event()\n"
        "threading.Thread(target=stop.wait).start()\n"
        "print(enter_private_mounts())\n"
        "stop.set()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_two_processes_at_once(backend: str, store: str) -> None:
    processes = [_start(store, backend, turns=12) for _ in range(3)]
    for process in processes:
        assert _line(process) == "ready"
    for process in processes:
        assert _line(process) == "done"
        _end(process)
    snapshotter: Any = open_snapshotter(store, backend)
    snapshotter.recover()
    snapshot = snapshotter.find(f"sha256:{11:064x}")
    with snapshotter.view(snapshot) as root:
        assert len(os.listdir(root)) == 240
    assert len(os.listdir(f"{store}/{backend}{SUFFIX}/s")) == 12, "of two that made the same snapshot one is kept"
    snapshotter.close()


def test_found_snapshot_outlives_its_removal_by_another(backend: str, store: str) -> None:
    ours: Any = open_snapshotter(store, backend)
    other: Any = open_snapshotter(store, backend)
    chain = "sha256:" + "a" * 64
    workspace = other.prepare(None)
    with open(workspace.root + "/file", "w"):
        pass
    other.bind(workspace.commit(), chain)
    found = ours.find(chain)
    other.remove(chain)
    other.close()
    assert ours.find(chain) is None
    workspace = ours.prepare(found)
    assert os.listdir(workspace.root) == ["file"]
    workspace.discard()
    ours.close()
    fresh: Any = open_snapshotter(store, backend)
    fresh.recover()
    assert os.listdir(f"{store}/{backend}{SUFFIX}/s") == [], "now nobody holds it"
    fresh.close()


def test_removal_keeps_what_children_stand_on(backend: str, store: str) -> None:
    snapshotter: Any = open_snapshotter(store, backend)
    workspace = snapshotter.prepare(None)
    with open(workspace.root + "/below", "w"):
        pass
    parent = workspace.commit()
    snapshotter.bind(parent, "sha256:" + "a" * 64)
    workspace = snapshotter.prepare(parent)
    child = workspace.commit()
    snapshotter.bind(child, "sha256:" + "b" * 64)
    snapshotter.remove("sha256:" + "a" * 64)
    snapshotter.close()
    snapshotter = open_snapshotter(store, backend)
    found = snapshotter.find("sha256:" + "b" * 64)
    with snapshotter.view(found) as root:
        assert os.listdir(root) == ["below"]
    snapshotter.remove("sha256:" + "b" * 64)
    snapshotter.close()
    assert os.listdir(f"{store}/{backend}{SUFFIX}/s") == []


def test_what_we_made_and_removed_is_gone_at_once(backend: str, store: str) -> None:
    snapshotter: Any = open_snapshotter(store, backend)
    workspace = snapshotter.prepare(None)
    parent = workspace.commit()
    snapshotter.bind(parent, "sha256:" + "a" * 64)
    workspace = snapshotter.prepare(parent)
    snapshotter.remove("sha256:" + "a" * 64)
    assert len(os.listdir(f"{store}/{backend}{SUFFIX}/s")) == 2, "the workspace stands on it"
    child = workspace.commit()
    snapshotter.bind(child, "sha256:" + "b" * 64)
    snapshotter.remove("sha256:" + "b" * 64)
    assert os.listdir(f"{store}/{backend}{SUFFIX}/s") == []
    snapshotter.close()


def test_closing_looks_for_garbage_only_where_there_may_be_some(
    backend: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshotter: Any = open_snapshotter(store, backend)
    snapshotter.bind(snapshotter.prepare(None).commit(), "sha256:" + "a" * 64)
    snapshotter.find("sha256:" + "a" * 64)
    snapshotter.prepare(None).discard()
    with snapshotter.view(None):
        pass
    monkeypatch.setattr(SnapshotTable, "sweep", lambda self: pytest.fail("swept"))
    snapshotter.close()
    monkeypatch.undo()
    snapshotter = open_snapshotter(store, backend)
    monkeypatch.setattr(SnapshotTable, "sweep", lambda self: pytest.fail("swept"))
    snapshotter.recover()
    assert snapshotter.find("sha256:" + "a" * 64) is not None
    monkeypatch.undo()
    snapshotter.prepare(None).commit()
    snapshotter.close()
    assert len(os.listdir(f"{store}/{backend}{SUFFIX}/s")) == 1
    assert os.listdir(f"{store}/{backend}{SUFFIX}/owners") == []
