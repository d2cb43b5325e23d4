"""Without subordinate ids: containers with the user's own id alone. (Builds are in ``test_build.py``.)"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_containers(single: OrdinaryUser, store_with: Callable[[str, Path], None]) -> None:
    store = single.home / "store"
    store_with("alpine:3.20", store)
    for folder, folders, files in os.walk(single.home):
        for name in [".", *folders, *files]:
            os.lchown(f"{folder}/{name}", single.uid, single.uid)

    def lamella(*words: str, code: int = 0) -> str:
        done = single.lamella("--root", str(store), *words)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    where = ("--network", "none")
    assert lamella("run", "--rm", *where, "alpine:3.20", "id", "-u") == "0\n"
    refused = lamella("run", "--rm", *where, "-u", "7:8", "alpine:3.20", "true", code=3)
    assert "run as 7:8, and there is one id here" in refused and "usermod" in refused
    assert "not delegated" in lamella("run", "--rm", *where, "--memory", "64m", "alpine:3.20", "true", code=3)

    lamella("run", "-d", "--name", "one", *where, "-v", "/data", "alpine:3.20", "sleep", "100")
    assert lamella("exec", "one", "sh", "-c", "touch /data/x; id -u; ls /data") == "0\nx\n"
    lamella("stop", "-t", "0", "one")
    lamella("rm", "one")
    lamella("image", "prune", "--all", "--build-cache", "--force")
    left = [path for path in (store / "lamella").rglob("*") if path.parent.name in ("s", "volumes", "run", "owners")]
    assert [path for path in left if path.name != ".lock"] == []
