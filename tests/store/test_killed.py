"""Killed at any moment: no wrong blob, no half-made image, nothing left that a later process does not sweep."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lamella.store.collect import needed, prune
from lamella.store.mirror import StoredImage
from lamella.store.save import chosen, save_docker_archive
from lamella.store.store import Store
from lamella.store.verify import verify

BUSY = """
import itertools, sys
from lamella.store.collect import prune, remove_image
from lamella.store.load import load_archive
from lamella.store.rootfs import import_rootfs
from lamella.store.store import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
for number in itertools.count():
    import_rootfs(store, sys.argv[2], "base", created=f"2026-01-02T03:04:{number % 60:02}Z")
    store.images.tag(f"base:{number % 3}", store.images.resolve("base"))
    load_archive(store, sys.argv[2])
    remove_image(store, "app")
    remove_image(store, "base:latest")
    prune(store, grace=0)
"""


def test_random_kills(root: Path, tmp_path: Path, add_image: Callable[..., StoredImage]) -> None:
    with Store.open(str(tmp_path / "other")) as other:
        add_image("app", {"a": os.urandom(300_000)}, {"b": b"2"}, to=other)
        with (tmp_path / "app.tar").open("wb") as sink:  # an archive of images, and a root file system's, in one
            save_docker_archive(other, chosen(other, ["app"]), sink)
    moments = random.Random(7)
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", BUSY, str(root), str(tmp_path / "app.tar")], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0, 0.15))
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        with Store.open(str(root)) as store:
            assert verify(store).problems == ()
    with Store.open(str(root)) as store:
        prune(store, all=True, grace=0)
        assert needed(store).blobs == set()
        assert list(store.blobs) == []
        assert store.layers.indexed() == []
    assert os.listdir(root / "lamella" / "tmp") == []
    assert os.listdir(root / "lamella" / "leases") == []
