"""After a loss of power nothing is trusted that may not have reached the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from lamella.snapshot import open_snapshotter, settle
from lamella.snapshot.select import SUFFIXES
from lamella.userns import current

SUFFIX = SUFFIXES[current().kind]
pytestmark = pytest.mark.containers

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def _bind(snapshotter: Any, chain: str) -> None:
    workspace = snapshotter.prepare(None)
    Path(workspace.root, "file").touch()
    snapshotter.bind(workspace.commit(), chain)


def test_only_the_latest_are_doubted(backend: str, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshotter: Any = open_snapshotter(store, backend)
    _bind(snapshotter, OLD)
    _bind(snapshotter, NEW)
    long_ago = time.time() - 600
    os.utime(f"{store}/{backend}{SUFFIX}/unsettled/{'1' * 64}", (long_ago, long_ago))
    snapshotter.close()
    snapshotter = open_snapshotter(store, backend)
    assert os.listdir(f"{store}/{backend}{SUFFIX}/unsettled") == ["2" * 64]
    assert snapshotter.find(OLD) is not None
    assert snapshotter.find(NEW) is not None
    snapshotter.close()

    monkeypatch.setattr(settle, "kernel_run", lambda: "the machine was started anew")
    snapshotter = open_snapshotter(store, backend)
    assert snapshotter.find(OLD) is not None
    assert snapshotter.find(NEW) is None
    assert os.listdir(f"{store}/{backend}{SUFFIX}/unsettled") == []
    _bind(snapshotter, NEW)
    snapshotter.close()
    snapshotter = open_snapshotter(store, backend)
    assert snapshotter.find(NEW) is not None, "bound in this run of the kernel"
    assert len(os.listdir(f"{store}/{backend}{SUFFIX}/s")) == 2, "the doubtful one is gone"
    snapshotter.close()
