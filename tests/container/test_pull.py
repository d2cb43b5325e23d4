"""``run`` of an image that the store does not have, and when it looks for a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.root, pytest.mark.peer]
Containers = Any


def test_run_fetches_what_is_missing(containers: Containers, registry: Any, tmp_path: Path) -> None:
    name = f"{registry.host}/run/app:1"

    def push(text: str) -> None:
        (tmp_path / "Dockerfile").write_text(f"FROM alpine:3.20\nCMD echo {text}\n")
        containers.ok("build", "-q", "-t", name, str(tmp_path))
        containers.ok("push", "-q", name)
        containers.ok("rmi", name)

    push("first")
    try:
        done = containers.run(image=name, flags=("--pull", "never"))
        assert (done.returncode, done.stdout) == (2, "")
        done = containers.run(image=name)
        assert (done.returncode, done.stdout) == (0, "first\n"), done.stderr
        assert "fetching it" in done.stderr
        assert containers.run(image=name, flags=("-q",)).stderr == ""
        containers.ok("tag", name, "kept")
        push("second")
        containers.ok("tag", "kept", name)
        assert containers.run(image=name).stdout == "first\n"
        assert containers.run(image=name, flags=("--pull", "always", "-q")).stdout == "second\n"
        done = containers.run(image=f"{registry.host}/run/nothing", flags=("-q",))
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert done.stderr.startswith("error: ")
    finally:
        containers.ok("rmi", "-f", "kept")
        containers.ok("rmi", "-f", name)
