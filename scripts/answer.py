"""Starts an image's own command in a network of its own, and asks it over HTTP. Needs root and runc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from terminal import DemoFailed

if TYPE_CHECKING:
    from lamella.oci.config import RunConfig

# What Docker sets where an image says nothing.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Runs inside the container's network: asks until somebody listens, for ten seconds at most.
ASK = """\
import sys, time, urllib.request
deadline = time.monotonic() + 10
while True:
    try:
        answer = urllib.request.urlopen(sys.argv[1], timeout=2).read()
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
sys.stdout.buffer.write(answer)
"""


def http_answer(image: str, port: int) -> str:
    """What the image answers to ``GET /``. Raises DemoFailed."""
    from lamella.build.base import image_level
    from lamella.build.machine import Machine
    from lamella.events import ignore
    from lamella.store.store import Store

    with Store.open(os.environ["LAMELLA_ROOT"]) as store:
        found = store.images.resolve(image).image
        machine = Machine(store, ignore, epoch=None, compression="gzip", runtime=None, backend="auto")
        workspace = machine.snapshotter.prepare(machine.snapshot(image_level(found, image)))
        try:
            with started(workspace.root, found.config.config) as pid:
                return ask(pid, f"http://127.0.0.1:{port}/")
        finally:
            workspace.discard()
            machine.close()


@contextmanager
def started(root: str, config: RunConfig) -> Iterator[int]:
    """A container in ``root``, made as ``runc spec`` proposes; its process's number here."""
    runc = shutil.which("runc") or "/usr/sbin/runc"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([runc, "spec", "--bundle", folder], check=True)
        with open(f"{folder}/config.json", "r+", encoding="utf-8") as file:
            spec = json.load(file)
            spec["root"] = {"path": root, "readonly": False}
            spec["process"]["terminal"] = False
            spec["process"]["args"] = [*(config.entrypoint or ()), *(config.cmd or ())]
            spec["process"]["env"] = config.env if "PATH" in config.env_map() else [f"PATH={PATH}", *config.env]
            spec["process"]["cwd"] = config.working_dir or "/"
            file.seek(0)
            file.truncate()
            json.dump(spec, file)
        container = [runc, "--root", f"{folder}/state"]
        log = f"{folder}/log"
        with open(log, "wb") as output:
            run = [*container, "run", "--detach", "--bundle", folder, "--pid-file", f"{folder}/pid", "demo"]
            status = subprocess.run(run, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
        if status.returncode != 0:
            with open(log, encoding="utf-8", errors="replace") as output:
                raise DemoFailed(f"the container did not start: {output.read().strip()}")
        try:
            with open(f"{folder}/pid", encoding="ascii") as file:
                yield int(file.read())
        finally:
            subprocess.run([*container, "delete", "--force", "demo"], check=True)


def ask(pid: int, url: str) -> str:
    inside = ["nsenter", "--net", "--target", str(pid), sys.executable, "-S", "-c", ASK, url]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"no answer from {url}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()
